"""Tell what the business earns: MRR and what moved it, retention, trials, net revenue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.resources.revenue import GET_MRR, LIST_EARNING, LIST_MOVEMENTS
from api.resources.revenue_cohorts import GET_COHORTS
from api.resources.revenue_net import GET_NET, LIST_TAKINGS
from api.resources.revenue_trials import GET_TRIALS, LIST_TRIALS
from cli.offline_queries import add_operation, ask
from cli.rendering import revenue as rendering

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

    from api.http.operations import Operation
    from cli.offline_queries import Show
    from cli.settings import Settings

# Any: each takes and answers something else.
_REPORTS: Final[Mapping[str, tuple[Operation[Any, Any, Any], Show]]] = {
    "mrr": (GET_MRR, rendering.show_mrr),
    "movements": (LIST_MOVEMENTS, rendering.show_movements),
    "earning": (LIST_EARNING, rendering.show_earning),
    "cohorts": (GET_COHORTS, rendering.show_cohorts),
    "trials": (GET_TRIALS, rendering.show_trials),
    "trial-list": (LIST_TRIALS, rendering.show_trial_list),
    "net": (GET_NET, rendering.show_net),
    "takings": (LIST_TAKINGS, rendering.show_takings),
}


def add(command: ArgumentParser) -> None:
    """Take a report, and what is asked of it."""
    reports = command.add_subparsers(required=True, metavar="REPORT")
    for name, (operation, show) in _REPORTS.items():
        add_operation(reports.add_parser(name, help=operation.summary), operation, show)


def run(settings: Settings, args: Namespace) -> None:
    """Print what the operation answers."""
    ask(settings, args)
