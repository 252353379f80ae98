"""An authority of certificates that nobody trusts but who is told to, made anew by openssl."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """Signs certificates; `file` is its own, for those who are to trust it."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("there is no openssl here to make certificates with")
        self._folder = folder
        self.file = folder / "authority.pem"
        self._openssl("req", "-x509", *_key(self._key("authority")), "-subj", "/CN=test", self.file)

    def server(self, *names: str) -> ssl.SSLContext:
        """Return what a server needs that has a certificate for names, such as `DNS:localhost`."""
        certificate = self._folder / "server.pem"
        issuer = ("-CA", self.file, "-CAkey", self._key("authority"))
        names_ = ("-addext", f"subjectAltName={','.join(names)}")
        made = ("req", "-x509", *issuer, *_key(self._key("server")), "-subj", "/CN=server", *names_)
        self._openssl(*made, certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, self._key("server"))
        return context

    def _key(self, name: str) -> Path:
        return self._folder / f"{name}.key"

    def _openssl(self, *words: object) -> None:
        *arguments, out = map(str, words)
        command = ["openssl", *arguments, "-out", out, "-days", "2"]
        subprocess.run(command, check=True, capture_output=True)


def _key(path: Path) -> tuple[object, ...]:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    return (*curve, "-noenc", "-keyout", path)
