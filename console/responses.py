"""What is seen, as it is sent: with the headers that say what a browser may do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from api.http.responses import Content, Stream
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
        cookie = {} if seen.cookie is None else {"set-cookie": seen.cookie}
        return Response(status_code=303, headers={**always, "location": seen.address, **cookie})
    if isinstance(seen, Content):
        return Response(seen.body, 200, {**always, "content-type": seen.media_type.decode()})
    if isinstance(seen, Stream):
        kept_as = f"attachment; filename*=UTF-8''{quote(seen.file_name, safe='')}"
        headers = {**always, "content-type": seen.media_type, "content-disposition": kept_as}
        return StreamingResponse(seen.parts, 200, headers)
    return Response(
        render(seen, visit), seen.status, {**always, **seen.headers, "content-type": HTML}
    )
