"""Shared: what Windmill gives: resources and variables by value or by path, and the job's id.

Windmill puts the value in place of an argument that is `$res:path` or `$var:path`. A default in
a signature stays as it stands: those are looked up here, as the job's own identity.
"""

from __future__ import annotations

import os
from typing import Any, TypeAlias
from urllib.parse import quote

from f.raphus.web import fetched

Resource: TypeAlias = dict[str, Any] | str


def resource(given: Resource) -> dict[str, Any]:
    """Return the value of a resource."""
    if not isinstance(given, str):
        return given
    found: dict[str, Any] = _looked_up("resources/get_value_interpolated", given, "$res:")
    return found


def variable(given: str) -> str:
    """Return the value of a variable; what does not begin with `$var:` is one already."""
    if not given.startswith("$var:"):
        return given
    return str(_looked_up("variables/get_value", given, "$var:"))


def property_of(value: dict[str, Any], *names: str) -> str:
    """Return the first of these properties that a resource has.

    Raises:
        KeyError: it has none of them.
    """
    for name in names:
        if value.get(name):
            return str(value[name])
    raise KeyError(f"the resource has none of {', '.join(names)}")


def this_job() -> str:
    """Return the id of the job, which Raphus has made of the event and the route.

    In a flow, and where Windmill tries a step again, it is the flow's: the one that was started.
    """
    return os.environ.get("WM_ROOT_FLOW_JOB_ID") or os.environ["WM_JOB_ID"]


def _looked_up(what: str, given: str, prefix: str) -> Any:  # noqa: ANN401 -- JSON
    if not given.startswith(prefix):
        raise ValueError(f"expected {prefix} and a path")
    base, workspace = os.environ["BASE_INTERNAL_URL"], os.environ["WM_WORKSPACE"]
    path = quote(given.removeprefix(prefix))
    return fetched(f"{base}/api/w/{workspace}/{what}/{path}", os.environ["WM_TOKEN"])
