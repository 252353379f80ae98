"""Windmill as a kind of target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workflows.targets.target import Kind
from workflows.targets.windmill.declaration import TARGETS
from workflows.targets.windmill.declaration import WINDMILL as NAME

if TYPE_CHECKING:
    from workflows.limits import Limits
    from workflows.targets.surroundings import Surroundings
    from workflows.targets.target import Sender
    from workflows.targets.windmill.declaration import WindmillTarget


def _sender(surroundings: Surroundings, limits: Limits) -> Sender[WindmillTarget]:
    # It brings an HTTP client, which loads slowly: most who read routes send nothing.
    from workflows.targets.windmill.client import WindmillClient  # noqa: PLC0415

    return WindmillClient(surroundings.windmill, limits)


WINDMILL: Final = Kind(
    name=NAME,
    keys=lambda _: TARGETS,
    details=lambda _: {},
    declared=lambda target, _: target,
    sender=_sender,
)
