"""Endpoints as a kind of target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from workflows.targets.endpoint.declaration import ENDPOINT as NAME
from workflows.targets.endpoint.declaration import declared, read_endpoint, read_private
from workflows.targets.endpoint.secrets import read_sources
from workflows.targets.target import Kind

if TYPE_CHECKING:
    from workflows.limits import Limits
    from workflows.targets.endpoint.declaration import EndpointTarget
    from workflows.targets.surroundings import Surroundings
    from workflows.targets.target import Sender


def _sender(surroundings: Surroundings, limits: Limits) -> Sender[EndpointTarget]:
    # It brings an HTTP client, which loads slowly: most who read routes send nothing.
    from workflows.targets.endpoint.client import EndpointClient  # noqa: PLC0415

    return EndpointClient(surroundings.environ, limits)


ENDPOINT: Final = Kind(
    name=NAME,
    keys=lambda _: {"endpoint": read_endpoint},
    details=lambda folder: {
        "secret": partial(read_sources, folder=folder),
        "private": read_private,
    },
    declared=declared,
    sender=_sender,
)
