"""What can be listed, and by which field each thing of it is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from projections.read_models.catalogue import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

ID_FIELD: Final[Mapping[str, str]] = {
    "customers": "customer_id",
    **{resource: listing.id_field for resource, listing in LISTINGS.items()},
}
