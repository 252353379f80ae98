"""A merchant whose buyers type scripts: into every text that is not a word of Dodo's."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Final, cast

from tests.support.samples import samples

if TYPE_CHECKING:
    from tests.support.http_server import Served
    from tests.support.samples import Json

MARK: Final = "attacked"
"""What every script sets in the window, should it run."""
_SCRIPTS: Final = (
    "<script>{mark}</script>",
    "\"><img src=x onerror='{mark}'>",
    "javascript:{mark}//",
    '\'-{mark}-\'" autofocus onfocus="{mark}" x="',
    "</textarea></title></style><svg onload={mark}>",
    "{{{{ {mark} }}}}{{% include 'base.html' %}}",
    "../../sign-out?a=b&c=d#%00{mark}",
)
_DODOS: Final = frozenset(
    "type status currency settlement_currency payload_type balance_before balance_after amount"
    " overage_before overage_after".split()
)
"""Fields in which another text is another thing, or none."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT")


def bodies() -> list[bytes]:
    """Return the samples, of each type the first, with a script in every text.

    Ids are scripts, too, a different one for each.
    """
    scripts = itertools.cycle(_SCRIPTS)
    return [
        json.dumps(_attacked(json.loads(body), scripts)).encode()
        for name, body in samples().items()
        if "--" not in name
    ]


def attack(server: Served) -> None:
    """Deliver all of them, under webhook-ids that are scripts, too, and wait until they show."""
    position = "0"
    for number, body in enumerate(bodies()):
        position = server.deliver(body, f"msg_{number}\"'><script>window.{MARK}=1</script>")
    server.get("/v1/payments", min_position=position)


def _attacked(node: Json, scripts: itertools.cycle[str], key: str = "") -> Json:
    if isinstance(node, dict):
        keeps = {"timestamp", "type", "business_id"} if not key else set()
        changed = {
            name: part if name in keeps else _attacked(part, scripts, name)
            for name, part in node.items()
        }
        if "metadata" in key:
            changed[_script(scripts, "key")] = _script(scripts, "value")
        return cast("Json", changed)
    if isinstance(node, list):
        return [_attacked(part, scripts, key) for part in node]
    if not isinstance(node, str) or key in _DODOS or _TIME.match(node):
        return node
    # An id stays what it is elsewhere: one text is attacked in one way.
    script = _SCRIPTS[sum(node.encode()) % len(_SCRIPTS)] if _is_id(key) else next(scripts)
    return f"{node[:40]}{script.format(mark=f'window.{MARK}=1')}"


def _script(scripts: itertools.cycle[str], text: str) -> str:
    return f"{text}{next(scripts).format(mark=f'window.{MARK}=1')}"


def _is_id(key: str) -> bool:
    return key == "id" or key.endswith("_id")
