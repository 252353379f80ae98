"""Objects: what can be asked of the objects of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from api.http.operations import Operation
from api.queries.time_travel import explained
from api.resources.objects_listed import listed, one
from api.resources.timelines import timeline_of
from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from api.queries.read_side import ReadSide
    from projections.listing import Listing


class Objects(NamedTuple):
    """The operations on the objects of one kind.

    An id may hold a slash, so what is more than the object comes before the object.
    """

    list: Operation[ReadSide]
    timeline: Operation[ReadSide]
    explain: Operation[ReadSide]
    one: Operation[ReadSide]


def _objects(listing: Listing[Any]) -> Objects:
    kind = listing.kind
    return Objects(
        listed(listing), timeline_of(listing, kind), explained(listing, kind), one(listing, kind)
    )


OBJECTS: Final = {resource: _objects(listing) for resource, listing in LISTINGS.items()}
"""By resource, in the order in which they are served."""
