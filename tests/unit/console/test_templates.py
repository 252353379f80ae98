"""The templates are sound, though a server compiles none before somebody looks at its page."""

from __future__ import annotations

from console.rendering.environment import environment


def test_every_template_compiles() -> None:
    names = environment().list_templates(extensions=["html"])
    assert len(names) > 20
    for name in names:
        environment().get_template(name)
