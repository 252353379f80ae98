"""Routes to endpoints: what a file declares, what is refused, and that no secret shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from workflows.routes.parser import read_text
from workflows.routes.routes_file import RoutesError
from workflows.targets.endpoint.declaration import EndpointTarget
from workflows.targets.endpoint.secrets import new_secret

if TYPE_CHECKING:
    from pathlib import Path

    from workflows.routes.route import Route

SECRET = new_secret()
NAMED = '[[route]]\nname = "shop"\non = ["*"]\n'
OURS = 'secret = "env:A"\nprivate = true\n'
HERE = 'endpoint = "https://shop.example/webhooks"\n'


def one(folder: Path, text: str) -> Route:
    """Read the one route that is declared."""
    (route,) = read_text(folder / "routes.toml", (NAMED + text).encode())
    return route


def test_an_endpoint_is_a_url_with_a_secret(tmp_path: Path) -> None:
    route = one(tmp_path, f'{HERE}secret = ["env:NEW", "file:old.txt", "{SECRET}"]\n')
    assert isinstance(route.target, EndpointTarget)
    assert (route.target.kind, route.shown) == ("endpoint", "https://shop.example/webhooks")
    assert route.target.is_private is False
    sources = [(source.form, source.value) for source in route.target.signer.sources]
    assert sources == [("env", "NEW"), ("file", str(tmp_path / "old.txt")), ("text", SECRET)]
    assert SECRET not in f"{route!r}"
    assert SECRET.encode() not in msgspec.json.encode(route.show())


def test_what_may_be_a_secret_in_a_url_is_not_shown(tmp_path: Path) -> None:
    url = "https://hooks.example/services/T024BE7LD/XXXXXXXXXXXXXXXXXXXXXXXXX?token=abc"
    route = one(tmp_path, f'endpoint = "{url}"\nsecret = "{SECRET}"\n')
    assert route.shown == "https://hooks.example/services/T024BE7LD/…?…"
    assert "XXXX" not in f"{route!r}"


@pytest.mark.parametrize(
    "endpoint",
    ["http://hooks.internal:8080/x", "http://127.0.0.1:3000", "https://[fd00::1]/x"],
)
def test_one_in_our_own_network_must_be_said_to_be(tmp_path: Path, endpoint: str) -> None:
    declared = f'endpoint = "{endpoint}"\nsecret = "env:A"\n'
    with pytest.raises(RoutesError, match=r"routes\.toml:4: endpoint must .*private = true"):
        one(tmp_path, declared)
    assert one(tmp_path, declared + "private = true\n").shown == endpoint


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (HERE, 4, "endpoint needs a secret beside it; raphus routes secret makes one"),
        (f'{HERE}secret = "hush"\n', 5, 'secret must be "env:NAME_OF_A_VARIABLE", "file:path"'),
        (f'{HERE}secret = "env:NO-NAME"\n', 5, "secret must be"),
        (f'{HERE}secret = "whsec_c2hvcnQ="\n', 5, "secret a secret has 24 bytes at the least"),
        (f'{HERE}secret = "whsec_%%%"\n', 5, "secret secret 1 is not whsec_ and base64"),
        (f"{HERE}secret = []\n", 5, "or a list of 1 to 8 of them"),
        (f'{HERE}secret = "env:A"\nprivate = "yes"\n', 6, "private must be true or false"),
        (f'{HERE}secret = "env:A"\nscript = "f/a/b"\n', 4, "exactly one of script, flow,"),
        ('script = "f/a/b"\nsecret = "env:A"\n', 5, "secret goes with endpoint, and not with scr"),
        (f'endpoint = "https://169.254.169.254/"\n{OURS}', 4, "must not be a link-local address"),
        ('endpoint = "https://shop.example:22/"\nsecret = "env:A"\n', 4, "must have no port"),
        ('endpoint = "https://me:pw@shop.example/"\nsecret = "env:A"\n', 4, "without user name"),
        ('endpoint = "shop.example"\nsecret = "env:A"\n', 4, "must be a whole URL"),
    ],
)
def test_what_is_wrong_is_told_by_its_line_and_not_quoted(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    with pytest.raises(RoutesError) as caught:
        one(tmp_path, text)
    said = str(caught.value)
    assert said.startswith(f"routes.toml:{line}: ")
    assert told in said
    assert not any(secret in said for secret in ("hush", "c2hvcnQ", "pw@"))


def test_fixed_arguments_are_put_into_a_body_which_else_stays_as_it_was(tmp_path: Path) -> None:
    plain = one(tmp_path, f'{HERE}secret = "env:A"\n').target
    made = b'{ "a": 1.50,\n "b": "$res:f/x" }'
    assert plain.content(made, {}, 0) == plain.content(made, {}, 3) == made
    assert plain.content(made, {"c": 2}, 0) == b'{"a":1.50,"b":"$res:f/x","c":2}'
