"""The templates, each compiled when it is first used, and what they can use."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context

from console.rendering import figures, words
from console.rendering.cells import label_of
from console.static_files import asset
from console.tones import tone_of
from domain.entity import spoken

if TYPE_CHECKING:
    from jinja2.runtime import Context

    from console.page import View
    from console.unread import Unread
    from console.visit import Visit

FOLDER: Final = Path(__file__).parent.parent / "templates"


def render(view: View, visit: Visit) -> str:
    """Write what is seen as a whole document."""
    template = environment().get_template(view.template)
    return template.render({**view.data, "visit": visit, "title": view.title})


@cache
def environment() -> Environment:
    """Return the templates. To compile all takes half of a worker's start, so none is yet."""
    made = Environment(
        autoescape=True,
        auto_reload=False,
        cache_size=-1,
        loader=FileSystemLoader(FOLDER),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters |= {
        "ago": words.ago,
        "amount_cell": figures.amount_cell,
        "complaint": _complaint,
        "count": words.count,
        "day": words.day,
        "field_time": words.field_time,
        "money": words.money,
        "number_cell": figures.number_cell,
        "about": words.about,
        "sentence": words.sentence,
        "share_cell": figures.share_cell,
        "size": words.size,
        "span": words.span,
        "units": words.units,
        "when": words.when,
        "words": spoken,
    }
    made.globals |= {
        "asset": asset,
        "here": _here,
        "is_late": words.is_late,
        "pages_of": words.RESOURCES,
        "tone_of": tone_of,
        "link": _link,
        "object_link": _object_link,
        "page_of": words.page_of,
    }
    return made


def _complaint(unread: Unread) -> str:
    """Write why a field cannot be read."""
    return words.sentence(f"{label_of(unread.name)} {unread.problem}")


@pass_context
def _link(context: Context, path: str, **parameters: object) -> str:
    """Return the address of a page, at the time that is looked at."""
    visit: Visit = context["visit"]
    return visit.link(path, **parameters)


@pass_context
def _here(context: Context, **changes: object) -> str:
    """Return the address of this page with other parameters."""
    visit: Visit = context["visit"]
    return visit.here(**changes)


@pass_context
def _object_link(context: Context, kind: str, id_: str) -> str:
    """Return the address of one thing, by its kind or the name of their list."""
    visit: Visit = context["visit"]
    return visit.link(words.path_of(kind, id_))
