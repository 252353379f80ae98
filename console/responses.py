"""What is seen, as it is sent: with the headers that say what a browser may do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from api.http.responses import Content
from console.page import Redirect
from console.rendering.environment import render
from console.security import HEADERS, UNCACHED

if TYPE_CHECKING:
    from console.page import Seen
    from console.visit import Visit

HTML: Final = "text/html; charset=utf-8"


def shown(visit: Visit, seen: Seen) -> Response:
    """Return the response that lets see this."""
    always = {**HEADERS, **UNCACHED}
    if isinstance(seen, Redirect):
        return Response(status_code=303, headers={**always, "location": seen.address})
    if isinstance(seen, Content):
        return Response(seen.body, 200, {**always, "content-type": seen.media_type.decode()})
    return Response(
        render(seen, visit), seen.status, {**always, **seen.headers, "content-type": HTML}
    )
