"""What goes wrong, as a page that says what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from console.page import View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.http.errors import ApiError

_TITLES: Final[Mapping[int, str]] = {
    400: "That cannot be asked",
    401: "Sign in first",
    403: "You may not see this",
    404: "There is nothing here",
    405: "That cannot be done here",
    408: "That took too long",
    409: "That cannot be done now",
    413: "That is too much at once",
    429: "Too many tries",
    500: "A defect in Raphus",
    503: "Not at the moment",
}
_HELP: Final[Mapping[str, str]] = {
    "unavailable": "The database does not answer. The server tries again by itself, and Dodo sends"
    " again what it could not deliver; if this lasts, its log says what is wrong.",
    "busy": "More is being asked than can be answered at once. Try again in a moment.",
    "too_slow": "The database took too long for this. Narrow it down: a filter, a shorter time.",
    "not_yet": "The read models are catching up with the log.",
    "preparing": "What was known at that time is being put together: events are being read again."
    " This page asks again by itself.",
    "insufficient_scope": "Sign in with a key that may. Keys are made on the server, with"
    " raphus keys create NAME --scope SCOPE.",
    "bound_to_business": "Your key is bound to one business, and this page is about all of them."
    " Sign in with a key that is not.",
    "internal": "It is not your doing. The server's log has the details; an issue with them helps"
    " to mend it.",
    "not_of_session": "Go back, reload the page, and send the form again.",
    "too_many_tries": "This is so for whoever tries from where you are. Sessions that there are go"
    " on.",
    "cross_site": "Open the page by its address instead.",
    "loopback_only": "The demo is open without a key, and so only to browsers on its own machine.",
    "not_found": "An id is looked for exactly as it is written. The search finds ids, webhook-ids,"
    " e-mail addresses and your own ids.",
}
_AGAIN: Final = frozenset({"preparing", "not_yet"})
"""What comes right by itself, soon."""


def view_of(error: ApiError) -> View:
    """Return the page for an error of the API's."""
    problem, retry_s = error.body.error, error.headers.get(b"retry-after", b"").decode()
    again = {"refresh": retry_s} if problem.code in _AGAIN and retry_s else {}
    kept = {name.decode(): value.decode("latin-1") for name, value in error.headers.items()}
    kept.pop("www-authenticate", None)  # a browser would ask for a password
    parameter = problem.details.get("parameter") if error.status == 400 else None
    data = {
        "message": problem.message,
        "help": _HELP.get(problem.code),
        "parameter": parameter,
        "is_missing": error.status == 404,
    }
    title = _TITLES.get(error.status, "That did not work")
    return View("error.html", title, data, error.status, {**kept, **again})
