"""Print docs/state-machines.md, rendered from the tables; --write and --check keep the file."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.errors import CommandError
from domain.aggregates.catalogue import KINDS
from domain.state_machine import (
    ANOMALOUS,
    GAP,
    KEEPS,
    NOTHING,
    REFUSES,
    Judgement,
    Machine,
    Verdict,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Sequence

    from cli.settings import Settings

INTRODUCTION: Final = f"""\
# The state machines

Written by `raphus docs --write` from the tables in `domain/aggregates/`, which the code runs on.
Edit those.

Facts are folded in the order of their timestamps. Facts with the same timestamp are folded in
the order of their rank: the events stand in that order below, and those in one place of it in
the order of their webhook-ids. A cell tells the state after the event. `{KEEPS}`: valid, and
the state stays. `{REFUSES}`: not a valid transition; the fact is refused, kept and listed, and
judged again when a missing one arrives. `{GAP}` behind a state: valid, but something must have
happened before it that was never seen, so the history is partial. `{ANOMALOUS}` behind a state:
not a valid transition, since the state before it is final. Where the fact's own data bears the
state out, it is an anomaly, which is kept and listed like what is refused, and the status follows
that data (with `drift`, since the folded state stays); where it does not, the fact is refused.

Looks, which are what Dodo's API said, are in no table. Where facts lead, be they unknown, from
where a thing stands to where it was seen, it stands there from then on, and what comes later is
judged from there. Out of a final state that no fact leads out of, a look is an anomaly. Elsewhere
the state stays, with `drift`.
"""


def add(command: ArgumentParser) -> None:
    """Take what is done with the page: printed, where nothing is said."""
    way = command.add_mutually_exclusive_group()
    way.add_argument("--write", action="store_true", help="write the file")
    way.add_argument("--check", action="store_true", help="only fail if the file is stale")
    command.add_argument("--path", default="docs/state-machines.md", help="default: %(default)s")


def run(_settings: Settings, args: Namespace) -> None:
    """Render the page."""
    path, page = Path(args.path), state_machines()
    if args.check:
        if not path.is_file() or path.read_text("utf-8") != page:
            raise CommandError(f"{path} is stale: run raphus docs --write")
    elif args.write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, "utf-8")
        print(f"{path} is written")
    else:
        print(page, end="")


def state_machines() -> str:
    """Return the page, in Markdown with Mermaid diagrams."""
    sections = [section(kind.machine) for kind in KINDS.values()]
    return "\n".join([INTRODUCTION, *sections])


def section(machine: Machine) -> str:
    """Return one machine's section: its picture, its table, and what its words mean."""
    if not machine.events:
        return _without_events(machine)
    parts = [
        [f"## {machine.kind}", ""],
        ["```mermaid", *diagram(machine), "```", ""],
        [*grid(machine), ""],
        [*notes(machine), ""],
        [*_meanings("State", machine.states.items()), ""],
        _meanings("Event", ((type_, machine.events[word]) for type_, word in _spelt(machine))),
    ]
    return "\n".join(line for part in parts for line in part) + "\n"


def _without_events(machine: Machine) -> str:
    told = (
        "No event is about it. Looks alone tell where it stands: it follows them in any direction."
    )
    parts = [f"## {machine.kind}", "", told, "", *_meanings("State", machine.states.items())]
    return "\n".join(parts) + "\n"


def diagram(machine: Machine) -> Iterator[str]:
    """Yield the lines of a Mermaid diagram: every transition that changes the state."""
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    for state in (None, *machine.states):
        for word in machine.words:
            found = machine.judge(state, word)
            if found.verdict is Verdict.APPLIED and found.to is not None:
                label = word + (GAP if found.gap else "")
                labels[state or "[*]", found.to].append(label)
    yield "stateDiagram-v2"
    for (origin, to), words in labels.items():
        yield f"    {origin} --> {to}: {', '.join(words)}"
    moved = {state for transition in labels for state in transition}
    for state in machine.states:
        if state not in moved:
            yield f"    {state}"
        if state in machine.final:
            yield f"    {state} --> [*]"


def grid(machine: Machine) -> Iterator[str]:
    """Yield the lines of the table: a row a state, a column an event."""
    rows = [
        [f"**{state or NOTHING}**", *(_cell(machine.judge(state, word)) for word in machine.words)]
        for state in (None, *machine.states)
    ]
    yield from _table(["from \\ event", *machine.words], rows)


def notes(machine: Machine) -> Iterator[str]:
    """Yield what the table does not show."""
    if machine.final:
        final = _listed(state for state in machine.states if state in machine.final)
        yield f"- Final states: {final}. Only a fact leads out of one, where the table says so."
    if machine.observed_first:
        first = _listed(sorted(machine.observed_first))
        yield f"- Observed only, and only before any state is known: {first}."
    for word, name in machine.unannounced.items():
        yield f"- `{word}` is no gap where its data says `{name}`: nothing came before it."
    for word, (second, name) in machine.at_once.items():
        yield f"- `{word}` is `{second}` at once where its data says `{name}` of then or before."
    if machine.unheralded:
        unheralded = _listed(state for state in machine.states if state in machine.unheralded)
        yield f"- No event announces {unheralded}: seen in data, it is followed, and is no drift."
    if machine.observed_freely:
        yield "- The status follows what is observed, in any direction."
    if machine.stages:
        stages = " < ".join(f"`{stage}`" for stage in machine.stages)
        yield f"- Stages: {stages}. The table holds within a stage. A later stage opens it anew,"
        yield "  with any event; an earlier stage than the current one is refused."
    yield f"- Order among equal timestamps: {_order(machine)}."


def _order(machine: Machine) -> str:
    tiers: dict[int, list[str]] = defaultdict(list)
    for word, rank in machine.ranks.items():
        tiers[rank].append(word)
    return " < ".join(_listed(tiers[rank]) for rank in sorted(tiers))


def _spelt(machine: Machine) -> Iterable[tuple[str, str]]:
    return zip(machine.types, machine.words, strict=True)


def _cell(found: Judgement) -> str:
    if found.claims is not None:
        return f"{found.claims} {ANOMALOUS}"
    if found.verdict is Verdict.REFUSED:
        return REFUSES
    to = KEEPS if found.verdict is Verdict.UNCHANGED else str(found.to)
    return to + (f" {GAP}" if found.gap else "")


def _meanings(title: str, meanings: Iterable[tuple[str, str]]) -> list[str]:
    return _table([title, "Meaning"], [[f"`{word}`", meaning] for word, meaning in meanings])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
