"""Which deliveries are sent to which target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from domain.aggregates.announcement import FAMILY_OF
from workflows.routes.schema import NO_VERDICT, VERDICTS_BY_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflows.routes.conditions import Condition, Glob
    from workflows.targets.target import Target
    from workflows.transforms.custom_code import OwnCode
    from workflows.trigger import Trigger


class ShownRoute(msgspec.Struct, frozen=True):
    """A route as people see it; a token in its target is masked. `kind` is the target's.

    Of its fixed arguments only the names are shown.
    """

    name: str
    on: list[str]
    kind: str
    target: str
    transformation: str
    enabled: bool
    verdicts: list[str]
    where: dict[str, Any]
    arguments: list[str] = []


@dataclass(frozen=True)
class Route:
    """One declared route. `transformation` is a built-in one, unless there is `own_code`.

    `where` are the `conditions` as they were declared. `arguments` go to every job, in
    place of what the transformation gives under the same name.
    """

    name: str
    on: tuple[Glob, ...]
    target: Target
    transformation: str = "state"
    own_code: OwnCode | None = None
    enabled: bool = True
    verdicts: tuple[str, ...] = VERDICTS_BY_DEFAULT
    conditions: tuple[Condition, ...] = ()
    where: Mapping[str, object] = field(default_factory=dict, hash=False)
    arguments: Mapping[str, object] = field(default_factory=dict, hash=False, repr=False)

    @property
    def shown(self) -> str:
        """The target as it may be printed."""
        return self.target.shown

    def wants_type(self, type_: str) -> bool:
        """Tell whether deliveries of a type may start something; no route that is off wants any.

        Announcements are taken by who names what they are about, as `access.*`: a `*` is for what
        Dodo sends.
        """
        family = FAMILY_OF.get(type_)
        begins = "" if family is None else f"{family}."
        return self.enabled and any(
            glob.pattern.startswith(begins) and glob.matches(type_) for glob in self.on
        )

    def wants(self, trigger: Trigger) -> bool:
        """Tell whether a delivery is to start something."""
        return (
            self.wants_type(trigger.type)
            and (trigger.verdict or NO_VERDICT) in self.verdicts
            and all(condition.holds(trigger.payload) for condition in self.conditions)
        )

    def show(self) -> ShownRoute:
        """Return what people may see of it."""
        return ShownRoute(
            name=self.name,
            on=[glob.pattern for glob in self.on],
            kind=self.target.kind,
            target=self.shown,
            transformation=self.transformation,
            enabled=self.enabled,
            verdicts=list(self.verdicts),
            where=dict(self.where),
            arguments=list(self.arguments),
        )


class Routes(tuple[Route, ...]):
    """The declared routes, in the file's order; no two have the same name."""

    __slots__ = ()

    def named(self, name: str) -> Route | None:
        """Return the route of a name, None where there is none."""
        return next((route for route in self if route.name == name), None)

    def show(self) -> list[ShownRoute]:
        """Return what people may see of them."""
        return [route.show() for route in self]
