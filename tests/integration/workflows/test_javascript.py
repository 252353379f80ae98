"""JavaScript transformations: as in Dodo's dashboard, and kept from everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import impatient_sandbox
from tests.support.shop import OPENED, LastingShop, Shop, sandboxes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.shop import Sandboxes


def test_a_handler_turns_a_webhook_into_arguments(lasting_shop: Shop) -> None:
    source = """
        // Arrow functions, template strings and the like are JavaScript too.
        const title = (type) => `${type.split(".")[0].toUpperCase()}!`;
        function handler(webhook) {
          const {data, ...rest} = webhook.payload;
          webhook.payload = {title: title(webhook.eventType), id: data.dispute_id, none: undefined,
                             nothing: null, rest: Object.keys(rest).length};
          return webhook;
        }"""
    made = lasting_shop.arguments(lasting_shop.route("javascript", source))
    dispute_id = OPENED.payload["data"]["dispute_id"]
    assert made == {"title": "DISPUTE!", "id": dispute_id, "nothing": None, "rest": 3}


def test_a_handler_may_be_a_constant(lasting_shop: Shop) -> None:
    made = lasting_shop.arguments(
        lasting_shop.route("javascript", "const handler = webhook => webhook  // all")
    )
    assert made == OPENED.payload


def test_a_webhook_has_the_fields_that_it_has_in_the_dashboard(lasting_shop: Shop) -> None:
    source = "function handler(w) { w.payload = {...w, payload: typeof w.payload}; return w; }"
    url = "https://windmill.example/api/w/shop/jobs/run/p/f/a/b?token=S3cret"
    made = lasting_shop.arguments(lasting_shop.route("javascript", source, target=f'url = "{url}"'))
    assert made == {
        "method": "POST",
        "url": url.replace("S3cret", "…"),
        "eventType": "dispute.opened",
        "payload": "object",
        "headers": {},
        "cancel": False,
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "function handler(w) {\n  return w.payload.data.buyer.email;\n}",
            "ours.js:2: TypeError: cannot read property 'email' of undefined",
        ),
        ("\n\nfunction handler(w) { throw new RangeError('no\\nway'); }", "ours.js:3: RangeError"),
        ("function handler(w) { throw new Error('x'.repeat(500)); }", f"Error: {'x' * 193}"),
        ("function handler(w) { throw 'text'; }", "ours.js: it threw text"),
        ("function handler(w) { throw null; }", "ours.js: it threw null"),
        ("function handler(w) { throw Symbol('x'); }", "ours.js: it threw Symbol(x)"),
        ("function handler(w) { throw new Error('\\ud800'); }", "ours.js:1: Error: \ufffd"),
        ("function handler(w) {\n  return }}", "ours.js:2: SyntaxError"),
        ("const other = 1;", "ours.js: it declares no function handler(webhook)"),
        ("const handler = 1;", "ours.js: it declares no function handler(webhook)"),
        ("function handler(w) { }", "handler returned undefined; it must return the webhook"),
        ("function handler(w) { return 5; }", "handler returned number; it must return"),
        ("async function handler(w) { return w; }", "handler returned promise; it must return"),
        ("function handler(w) { return {}; }", "payload that handler returned is undefined"),
        ("function handler(w) { w.payload = [5]; return w; }", "is array; it must be an object"),
        ("function handler(w) { w.payload = null; return w; }", "is null; it must be an object"),
        ("function handler(w) { w.payload = () => 1; return w; }", "is function; it must be"),
        ("function handler(w) { w.payload.own = w; return w; }", "circular reference"),
        ("function handler(w) { w.payload = {x: 1n}; return w; }", "TypeError"),
        ("function handler(w) { const f = () => f(); f(); }", "Maximum call stack size exceeded"),
        ("\0", "ours.js: not a text file"),
    ],
    ids=str,
)
def test_a_handler_that_fails_is_told_with_its_line(
    lasting_shop: Shop, source: str, expected: str
) -> None:
    message = lasting_shop.problem("javascript", source)
    assert message.startswith("ours.js")
    assert expected in message
    assert len(message) < 260


@pytest.fixture(scope="module")
def impatient_sandboxes() -> Iterator[Sandboxes]:
    with sandboxes() as kept:
        yield kept


@pytest.fixture
def impatient_shop(
    tmp_path: Path, impatient_sandboxes: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> Shop:
    """Let little processor time be enough to meet the limit; what is said of it is the same."""
    monkeypatch.setattr("workflows.transforms.sandbox._PROGRAM", impatient_sandbox.__name__)
    return LastingShop(tmp_path, impatient_sandboxes)


def test_a_handler_has_two_seconds_of_processor_time(shop: Shop) -> None:
    message = shop.problem("javascript", "function handler(webhook) { for (;;); }")
    assert "it took more than 2 s of processor time" in message


@pytest.mark.parametrize(
    ("source", "limit"),
    [
        ("try { for (;;); } catch { } finally { for (;;); }", "2 s of processor time"),
        ("throw {toString() { for (;;); }}", "2 s of processor time"),
        ("/(a+)+$/.test('a'.repeat(50) + 'b')", "2 s of processor time"),
        ("const all = []; for (;;) all.push({})", "64 MiB of memory"),
        ("const all = []; for (;;) all.push(new Uint8Array(1 << 20))", "64 MiB of memory"),
        ("return {payload: {all: 'x'.repeat(1 << 29)}}", "64 MiB of memory"),
    ],
)
def test_a_handler_has_limits_on_time_and_memory(
    impatient_shop: Shop, source: str, limit: str
) -> None:
    message = impatient_shop.problem("javascript", f"function handler(webhook) {{\n{source} }}")
    assert f"it took more than {limit}" in message


def test_a_handler_that_the_engine_cannot_stop_is_stopped_with_its_process(shop: Shop) -> None:
    message = shop.problem("javascript", "function handler(w) { for (;;); }", deadline_s=0.2)
    assert message == "ours.js: it took more than 0.2 s"


def test_a_handler_has_nothing_to_reach_out_with(lasting_shop: Shop) -> None:
    source = """
        function handler(webhook) {
          const names = ["require", "fetch", "process", "module", "std", "os", "print", "console",
                         "setTimeout", "XMLHttpRequest", "WebAssembly", "Worker", "Deno", "Bun",
                         "load", "read", "scriptArgs", "python"];
          webhook.payload = {there: names.filter(name => name in globalThis),
                             imported: "nothing"};
          import("os").then(() => { webhook.payload.imported = "os"; });
          Function("return import('std')")().then(() => { webhook.payload.imported = "std"; });
          return webhook;
        }"""
    made = lasting_shop.arguments(lasting_shop.route("javascript", source))
    assert made == {"there": [], "imported": "nothing"}


def test_a_handler_leaves_nothing_for_the_next_call(lasting_shop: Shop) -> None:
    source = """
        globalThis.count = (globalThis.count || 0) + 1;
        function handler(webhook) {
          const seen = {count, polluted: ({}).polluted, text: JSON.stringify({}), own: [1].join()};
          Object.prototype.polluted = "yes";
          Object.prototype.toJSON = () => "polluted";
          Array.prototype.join = String = JSON.parse = () => "polluted";
          Object.prototype.toString = Function.prototype.call = () => { throw 1; };
          delete Object.prototype.toJSON;
          webhook.payload = seen;
          return webhook;
        }"""
    route = lasting_shop.route("javascript", source)
    first, second = lasting_shop.outcomes((route, OPENED), (route, OPENED))
    assert first == second == b'{"count":1,"text":"{}","own":"1"}'


@pytest.mark.parametrize(
    "source",
    [
        "Object.prototype.toJSON = () => 5; throw new Error('x')",
        "Array.prototype[Symbol.iterator] = null; throw new Error('x')",
        "Error.prototype.toString = () => { throw 1 }; throw new Error('x')",
        "throw Object.defineProperty(new Error('x'), 'message', {get() { throw new Error('y') }})",
        "Object.defineProperty(Error.prototype, 'name', {get() { for (;;); }}); throw new Error()",
        "String.prototype.slice = String.prototype.toLowerCase = null; return 5",
        "return new Proxy({}, {get() { throw new Error('z') }})",
    ],
)
def test_a_handler_that_changes_the_language_harms_itself_alone(
    impatient_shop: Shop, source: str
) -> None:
    message = impatient_shop.problem("javascript", f"function handler(w) {{ {source} }}")
    assert message.startswith("ours.js")
