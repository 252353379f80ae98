"""Where a route's jobs are started in Windmill, and where they are asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from workflows.targets.target import TargetError

if TYPE_CHECKING:
    from uuid import UUID

    from workflows.targets.surroundings import Windmill
    from workflows.targets.windmill.declaration import WindmillTarget

_PATH: Final = re.compile(r"(?P<base>.*)/api/w/(?P<workspace>[^/]+)/jobs/(?P<target>run/.+)")
# With a user name, or a query of its own, it would not be the address that it seems to be.
_BASE_URL: Final = re.compile(r"https?://[^/?#@\s]+(?:/[^?#@\s]*)?")
_TOKEN: Final = re.compile("[!-~]{1,1000}")


class Address(NamedTuple):
    """Where a route's jobs live. The token goes into a header, so that no log shows it.

    `more` is what the route's own URL says behind its `?`, but for the token.
    """

    workspace_url: str
    target: str
    token: str
    more: str = ""

    def __repr__(self) -> str:
        return f"Address({self.workspace_url!r}, {self.target!r})"

    @classmethod
    def of(cls, route: str, target: WindmillTarget, windmill: Windmill) -> Self:
        """Return the address of the target of a route of this name.

        Raises:
            TargetError: a part of it is not known, or cannot be used; no part is quoted.
        """
        if target.url is None:
            address = cls._of_settings(route, target.path, windmill)
        else:
            address = cls._of_url(target.url)
        if not _BASE_URL.fullmatch(address.workspace_url):
            raise TargetError("the address of Windmill is https://HOST or http://HOST:PORT")
        if not _TOKEN.fullmatch(address.token):
            raise TargetError("the token may hold visible ASCII characters only")
        return address

    @classmethod
    def _of_settings(cls, route: str, path: str, windmill: Windmill) -> Self:
        named = {
            "WINDMILL_BASE_URL": windmill.base_url,
            "WINDMILL_WORKSPACE": windmill.workspace,
            "WINDMILL_TOKEN": windmill.token,
        }
        missing = [name for name, value in named.items() if not value]
        if missing:
            raise TargetError(f"route {route} needs {', '.join(missing)}, or a whole url")
        workspace_url = f"{(windmill.base_url or '').rstrip('/')}/api/w/{windmill.workspace}"
        return cls(workspace_url, quote(path, safe="/@"), windmill.token or "")

    @classmethod
    def _of_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        match = _PATH.fullmatch(parts.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        token = query.pop("token", "")
        # The id of a job is ours to give.
        query.pop("job_id", None)
        if match is None or not token:
            raise TargetError("a route's url is …/api/w/<workspace>/jobs/run/…?token=…")
        root = f"{parts.scheme}://{parts.netloc}{match['base']}"
        workspace_url = f"{root}/api/w/{match['workspace']}"
        return cls(workspace_url, match["target"], token, urlencode(query))

    @property
    def headers(self) -> dict[str, str]:
        """The headers that each request carries."""
        return {"authorization": f"Bearer {self.token}", "content-type": "application/json"}

    def to_start(self, job_id: UUID) -> str:
        """Return where a job is started under an id of our choice."""
        more = f"&{self.more}" if self.more else ""
        return f"{self.workspace_url}/jobs/{self.target}?job_id={job_id}{more}"

    def to_find(self, job_id: UUID) -> str:
        """Return where a job is shown, if there is one under the id; without its logs and code."""
        return f"{self.workspace_url}/jobs_u/get/{job_id}?no_logs=true&no_code=true"

    def of_outcome(self, job_id: UUID) -> str:
        """Return where it is told whether a job has ended, and how."""
        return f"{self.workspace_url}/jobs_u/completed/get_result_maybe/{job_id}"

    def masked(self, text: str) -> str:
        """Return a text without the token: a server may repeat what it was sent."""
        return text.replace(self.token, "…").replace(quote(self.token, safe=""), "…")
