"""What the environment says, read once, checked, and never changed."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from api.queries.rates_file import RatesFile
from api.queries.read_side import Rules
from api.webhooks.verifier import Verifier
from dodo.client import Mode
from dodo.connection import LOOPBACK
from dodo.pace import REQUESTS_PER_MINUTE
from domain.field_readers import KEY_CHARS_MAX
from domain.identities import EXTERNAL_ID_KEYS
from ledger.integrity.signatures import SecretError
from telemetry.errors import RaphusError
from workflows.policy_file import PolicyFile
from workflows.routes.routes_file import RoutesFile

if TYPE_CHECKING:
    from collections.abc import Mapping

WEBHOOK_KEY: Final = "DODO_PAYMENTS_WEBHOOK_KEY"
DATABASE_URL: Final = "DATABASE_URL"
API_KEY: Final = "RAPHUS_API_KEY"
HOME: Final = "RAPHUS_HOME"
EXTERNAL_ID: Final = "RAPHUS_EXTERNAL_ID"
HOST: Final = "HOST"
PORT: Final = "PORT"

WINDMILL_BASE_URL: Final = "WINDMILL_BASE_URL"
WINDMILL_WORKSPACE: Final = "WINDMILL_WORKSPACE"
WINDMILL_TOKEN: Final = "WINDMILL_TOKEN"  # noqa: S105 -- the variable's name
WINDMILL_ROUTES: Final = "WINDMILL_ROUTES"
ROUTES: Final = "RAPHUS_ROUTES"
ROUTES_BY_DEFAULT: Final = "routes.toml"
ROUTES_OF_BEFORE: Final = "windmill.toml"
"""What the file was called when routes led to Windmill alone."""
POLICY: Final = "RAPHUS_POLICY"
POLICY_BY_DEFAULT: Final = "raphus.toml"

DODO_API_KEY: Final = "DODO_PAYMENTS_API_KEY"
DODO_ENVIRONMENT: Final = "DODO_PAYMENTS_ENVIRONMENT"
DODO_BASE_URL: Final = "DODO_PAYMENTS_BASE_URL"
DODO_REQUESTS_PER_MINUTE: Final = "RAPHUS_DODO_REQUESTS_PER_MINUTE"
REQUESTS_PER_MINUTE_MAX: Final = 5_000
"""What Dodo allows its largest businesses."""
RECONCILE_EVERY_S: Final = "RAPHUS_RECONCILE_EVERY_S"
RECONCILE_EVERY_S_BY_DEFAULT: Final = 6 * 3_600
RECONCILE_EVERY_S_MIN: Final = 60
WORKERS: Final = "RAPHUS_WORKERS"
WORKERS_MAX: Final = 32

_SECRETS: Final = (WEBHOOK_KEY, DATABASE_URL, API_KEY, WINDMILL_TOKEN, DODO_API_KEY)
API_KEY_CHARS_MIN: Final = 16
"""A shorter key can be guessed."""
FILE_BYTES_MAX: Final = 64 * 1024
EXTERNAL_ID_KEYS_MAX: Final = 20


class SettingsError(RaphusError):
    """The environment does not say what it must; the message names the variable, not its value."""

    exit_code = 2


@dataclass(frozen=True)
class WindmillSettings:
    """Where workflows are started, and the file that says which. The token stays out of the repr.

    Each of the first three may be missing where the routes have whole URLs. The file `routes`
    need not be there, unless it was named (`routes_named`).
    """

    base_url: str | None = None
    workspace: str | None = None
    token: str | None = field(default=None, repr=False)
    routes: Path = Path(ROUTES_BY_DEFAULT)
    routes_named: bool = False

    @property
    def used(self) -> bool:
        """Whether there are routes, or are to be."""
        return self.routes_named or self.routes.exists()

    def routes_file(self) -> RoutesFile:
        """Return the routes, which follow the file."""
        return RoutesFile(self.routes, required=self.routes_named)


@dataclass(frozen=True)
class DodoSettings:
    """The key of Dodo's API, which stays out of the repr, and how the API is asked with it.

    `mode` chooses Dodo's address; a `base_url` of another takes its place. A server reconciles
    every so many seconds, or never where they are 0.
    """

    api_key: str = field(repr=False)
    mode: Mode
    requests_per_minute: int = REQUESTS_PER_MINUTE
    base_url: str | None = None
    reconcile_every_s: int = RECONCILE_EVERY_S_BY_DEFAULT


@dataclass(frozen=True)
class Settings:
    """What the environment says. Secrets stay out of its repr.

    `webhook_keys` are the secrets of the webhooks, newest first by habit; each of them is
    accepted. Without `database_url`, PostgreSQL is run under `home`; without `api_key`, one is
    kept there. A `port` of 0 takes a free one. Without `dodo`, Dodo's API is not asked.
    `external_id_keys` are the keys of metadata that hold the merchant's own ids, tried in order.
    The file `policy` need not be there, unless it was named (`policy_named`). So many processes
    take requests as `workers` says; 0 is one process for everything, None a number that fits.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    webhook_keys: tuple[str, ...] = field(default=(), repr=False)
    windmill: WindmillSettings = WindmillSettings()
    dodo: DodoSettings | None = None
    external_id_keys: tuple[str, ...] = EXTERNAL_ID_KEYS
    policy: Path = Path(POLICY_BY_DEFAULT)
    policy_named: bool = False
    workers: int | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Read an environment; a variable that is set to nothing counts as not set.

        Raises:
            SettingsError: a value cannot be used.
        """
        keys = _secret(environ, WEBHOOK_KEY)
        return cls(
            home=_home(environ),
            host=environ.get(HOST) or "127.0.0.1",
            port=_port(environ.get(PORT) or "8000"),
            database_url=_database_url(environ),
            api_key=_api_key(environ),
            webhook_keys=tuple(key.strip() for key in keys.split(",")) if keys else (),
            windmill=_windmill(environ),
            dodo=_dodo(environ),
            external_id_keys=_external_id_keys(environ.get(EXTERNAL_ID) or ""),
            policy=Path(environ.get(POLICY) or POLICY_BY_DEFAULT).expanduser().absolute(),
            policy_named=bool(environ.get(POLICY)),
            workers=_workers(environ.get(WORKERS) or ""),
        )

    def rules(self) -> Rules:
        """Return what the merchant decides; routes and policy follow their files."""
        policy = PolicyFile(self.policy, required=self.policy_named)
        rates = RatesFile(self.policy)
        return Rules(self.windmill.routes_file(), policy, self.external_id_keys, rates)

    def asked_of_dodo(self) -> DodoSettings:
        """Return how Dodo's API is asked.

        Raises:
            SettingsError: there is no key.
        """
        if self.dodo is None:
            raise SettingsError(
                f"{DODO_API_KEY} is not set. It holds a key of Dodo's API, which Dodo's dashboard"
                " makes under Developer, API Keys: one that may only read is enough."
                f" {DODO_ENVIRONMENT} says whether it is one of test_mode or of live_mode."
                f" {DODO_API_KEY}_FILE may name a file that holds it instead"
            )
        return self.dodo

    def verifier(self) -> Verifier:
        """Return what checks the signatures of webhooks.

        Raises:
            SettingsError: there is no secret, or one is not a secret.
        """
        if not self.webhook_keys:
            raise SettingsError(
                f"{WEBHOOK_KEY} is not set. It holds the signing secret of your webhook endpoint,"
                " which Dodo's dashboard shows under Developer, Webhooks (whsec_…); several,"
                f" separated by commas, while one replaces the other. {WEBHOOK_KEY}_FILE may name"
                " a file that holds it instead"
            )
        try:
            return Verifier(self.webhook_keys)
        except SecretError as error:
            raise SettingsError(f"{WEBHOOK_KEY}: {error}") from error


def checked_key(key: str, named: str) -> str:
    """Return an API key that may be used.

    Raises:
        SettingsError: it is easily guessed, or cannot be sent; the message has what it is `named`.
    """
    if len(key) < API_KEY_CHARS_MIN:
        raise SettingsError(f"{named} has fewer than {API_KEY_CHARS_MIN} characters")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise SettingsError(f"{named} may hold visible ASCII characters only")
    return key


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a program that is told what it needs of the secrets."""
    return {name: value for name, value in environ.items() if name not in _SECRETS}


def _secret(environ: Mapping[str, str], name: str) -> str | None:
    value, path = environ.get(name), environ.get(f"{name}_FILE")
    if value and path:
        raise SettingsError(f"{name} and {name}_FILE are both set: choose one of them")
    if not path:
        return value.strip() if value else None
    try:
        with Path(path).open("rb") as file:
            content = file.read(FILE_BYTES_MAX).decode().strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE: {error.strerror}: {path}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}_FILE: not a text file: {path}") from error
    if not content:
        raise SettingsError(f"{name}_FILE: an empty file: {path}")
    return content


def _database_url(environ: Mapping[str, str]) -> str | None:
    url = _secret(environ, DATABASE_URL)
    try:
        conninfo_to_dict(url or "")
    except psycopg.ProgrammingError:
        # Its text quotes the value, which may hold a password.
        raise SettingsError(f"{DATABASE_URL} is not a URL of PostgreSQL (postgresql://…)") from None
    return url


def _api_key(environ: Mapping[str, str]) -> str | None:
    key = _secret(environ, API_KEY)
    return None if key is None else checked_key(key, API_KEY)


def _external_id_keys(text: str) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(key.strip() for key in text.split(",")))
    if not text.strip():
        return EXTERNAL_ID_KEYS
    fit = all(key.isprintable() and 0 < len(key) <= KEY_CHARS_MAX for key in keys)
    if not fit or len(keys) > EXTERNAL_ID_KEYS_MAX:
        raise SettingsError(
            f"{EXTERNAL_ID} is not a list of 1 to {EXTERNAL_ID_KEYS_MAX} keys of metadata,"
            f" separated by commas, each of 1 to {KEY_CHARS_MAX} characters: user_id,account_id"
        )
    return keys


def _dodo(environ: Mapping[str, str]) -> DodoSettings | None:
    key, mode = _secret(environ, DODO_API_KEY), environ.get(DODO_ENVIRONMENT)
    per_minute = _requests_per_minute(environ.get(DODO_REQUESTS_PER_MINUTE) or "")
    base_url = environ.get(DODO_BASE_URL) or None
    every_s = _reconcile_every_s(environ.get(RECONCILE_EVERY_S) or "")
    if not key:
        return None
    if not re.fullmatch(r"[!-~]{1,1000}", key):
        raise SettingsError(f"{DODO_API_KEY} may hold visible ASCII characters only")
    if base_url and not _is_safe_base(base_url):
        raise SettingsError(
            f"{DODO_BASE_URL} is not an address of https://, or of http:// on this machine,"
            " without path, user name, ? and #: the key would be sent there"
        )
    match mode:
        case "test_mode" | "live_mode":
            return DodoSettings(key, mode, per_minute, base_url, every_s)
        case _:
            raise SettingsError(
                f"{DODO_ENVIRONMENT} is neither test_mode nor live_mode, while {DODO_API_KEY} is"
                " set: a key does not say itself where it belongs, and is sent nowhere else"
            )


def _requests_per_minute(text: str) -> int:
    if not text:
        return REQUESTS_PER_MINUTE
    is_number = text.isascii() and text.isdigit()
    if not is_number or not 1 <= int(text[:6]) <= REQUESTS_PER_MINUTE_MAX:
        raise SettingsError(
            f"{DODO_REQUESTS_PER_MINUTE} is not a number from 1 to {REQUESTS_PER_MINUTE_MAX}; Dodo"
            " allows a new business 240"
        )
    return int(text)


def _reconcile_every_s(text: str) -> int:
    if not text:
        return RECONCILE_EVERY_S_BY_DEFAULT
    if not (text.isascii() and text.isdigit()) or 0 < int(text[:9]) < RECONCILE_EVERY_S_MIN:
        raise SettingsError(
            f"{RECONCILE_EVERY_S} is not a number of seconds: {RECONCILE_EVERY_S_MIN} or more, or"
            " 0 for never"
        )
    return int(text[:9])


def _workers(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or int(text[:6]) > WORKERS_MAX:
        raise SettingsError(f"{WORKERS} is not a number from 0 to {WORKERS_MAX}")
    return int(text)


def _is_safe_base(url: str) -> bool:
    """Tell whether a key may be sent to an address: nobody between may read it."""
    if not _is_base(url) or urlsplit(url).path.strip("/"):
        return False
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in LOOPBACK


def _windmill(environ: Mapping[str, str]) -> WindmillSettings:
    base_url = environ.get(WINDMILL_BASE_URL)
    if base_url and not _is_base(base_url):
        # Not quoted: it may hold a password, or be a whole webhook URL with its token.
        raise SettingsError(
            f"{WINDMILL_BASE_URL} is not the address of a Windmill, such as"
            " https://app.windmill.dev: without /api, user name, ? and #"
        )
    workspace = environ.get(WINDMILL_WORKSPACE)
    if workspace and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", workspace):
        raise SettingsError(f"{WINDMILL_WORKSPACE} is not the id of a workspace")
    token = _secret(environ, WINDMILL_TOKEN)
    if token and not re.fullmatch(r"[!-~]{1,1000}", token):
        raise SettingsError(f"{WINDMILL_TOKEN} may hold visible ASCII characters only")
    path, is_named = _routes(environ)
    return WindmillSettings(base_url or None, workspace or None, token, path, is_named)


def _routes(environ: Mapping[str, str]) -> tuple[Path, bool]:
    """Return the file of routes, and whether it was named; its older names count as well."""
    named = [name for name in (ROUTES, WINDMILL_ROUTES) if environ.get(name)]
    if len(named) > 1:
        raise SettingsError(f"{ROUTES} and {WINDMILL_ROUTES} are both set: choose one of them")
    if named:
        return Path(environ[named[0]]).expanduser().absolute(), True
    found = [name for name in (ROUTES_BY_DEFAULT, ROUTES_OF_BEFORE) if Path(name).exists()]
    if len(found) > 1:
        raise SettingsError(f"{' and '.join(found)} are both there: {ROUTES} names the one to read")
    return Path(found[0] if found else ROUTES_BY_DEFAULT).absolute(), False


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return False
    is_more = parts.username is not None or parts.query or parts.fragment
    is_of_api = "api" in parts.path.split("/")
    return bool(is_whole and re.fullmatch("[!-~]+", url) and not is_more and not is_of_api)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[:6]) > 65_535:
        raise SettingsError(f"{PORT} is not a port number from 0 to 65535")
    return int(text)


def _home(environ: Mapping[str, str]) -> Path:
    if given := environ.get(HOME):
        return Path(given).expanduser().absolute()
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "raphus"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "raphus"
    data = Path(environ.get("XDG_DATA_HOME", ""))
    # The XDG specification has a relative path ignored.
    return (data if data.is_absolute() else Path.home() / ".local" / "share") / "raphus"
