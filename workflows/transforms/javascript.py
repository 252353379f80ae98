"""Calls `handler(webhook)` in an engine that is made for one call and thrown away.

A context of QuickJS has an own heap, the language itself, and nothing else: no modules, files,
network, timers or console. Nothing that a call does is left for the next one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import quickjs  # type: ignore[import-untyped]  # it ships no types

from workflows.transforms.sandbox_protocol import NOTHING, CallError
from workflows.transforms.source_files import read_source, shortened

if TYPE_CHECKING:
    from workflows.transforms.sandbox_protocol import Call

MEMORY_BYTES_MAX: Final = 64 * 1024 * 1024
TIME_S_MAX: Final = 2.0
"""Of processor time."""
# What the engine says when a limit is reached and JavaScript can no longer catch it; `null`
# when there is not even the memory for an exception.
_LIMITS: Final = {
    "InternalError: interrupted": f"it took more than {TIME_S_MAX:g} s of processor time",
    "InternalError: out of memory": f"it took more than {MEMORY_BYTES_MAX >> 20} MiB of memory",
    "null": f"it took more than {MEMORY_BYTES_MAX >> 20} MiB of memory",
}
# The frames of the merchant's own file; `raphus` is the driver below.
_FRAME: Final = re.compile(r"^\s*at (?!raphus \()(?:.* \()?<input>:(\d+)", re.MULTILINE)
# It takes what it needs before the merchant's code can change it, and describes what that code
# throws within the limits on time and memory: to read an error may run the merchant's code too.
# It gives back what JSON.stringify made, and no other text: quickjs-ng 0.17 cannot convert
# a text that the engine holds in pieces, as it does what `+` has joined.
_DRIVER: Final = r"""
(({parse, stringify}, evaluate, text, error, call, kind, wellFormed) => {
  const problem = (what, stack = "") =>
    stringify({__proto__: null, problem: call(wellFormed, what), stack: call(wellFormed, stack)});
  const kindOf = value => call(kind, value).slice(8, -1).toLowerCase();
  const describe = thrown =>
    thrown instanceof error ? [`${thrown.name}: ${thrown.message}`, text(thrown.stack)]
                            : [`it threw ${text(thrown)}`, ""];
  return function raphus(source, webhook) {
    try {
      const handler = evaluate(
        source + "\n;typeof handler === 'function' ? handler : undefined");
      if (handler === undefined) return problem("it declares no function handler(webhook)");
      const returned = handler(parse(webhook));
      if (returned === null || typeof returned !== "object" || kindOf(returned) === "promise")
        return problem(
          `handler returned ${kindOf(returned)}; it must return the webhook that it was given`);
      const {payload, cancel} = returned;
      return stringify({__proto__: null, arguments: payload, kind: kindOf(payload),
                        is_cancelled: cancel === true});
    } catch (thrown) {
      return problem(...describe(thrown));
    }
  };
})(JSON, eval, String, Error, Function.prototype.call.bind(Function.prototype.call),
   Object.prototype.toString, String.prototype.toWellFormed)
"""


class _Returned(msgspec.Struct):
    arguments: msgspec.Raw = NOTHING
    kind: str = ""
    is_cancelled: bool = False
    problem: str = ""
    stack: str = ""


_decode: Final = msgspec.json.Decoder(_Returned).decode


def run(call: Call) -> bytes | None:
    """Call the handler; return the payload of the webhook it gives back, None to send nothing.

    Raises:
        CallError: it throws, returns nonsense, or reaches a limit.
        MemoryError: what it returns is larger than this process can hold.
    """
    path = Path(call.path)
    source = read_source(path)
    context = quickjs.Context()
    context.set_memory_limit(MEMORY_BYTES_MAX)
    context.set_time_limit(TIME_S_MAX)
    driver = context.eval(_DRIVER)
    try:
        returned = _decode(driver(source, bytes(call.argument).decode()))
    except quickjs.JSException as error:
        what, _, stack = str(error).partition("\n")
        raise CallError(_said(path, what, stack)) from None
    except (UnicodeDecodeError, msgspec.DecodeError, TypeError):
        # It has changed what the driver stands on, to no one's harm but its own.
        raise CallError(_said(path, "it changes how errors are described", "")) from None
    if returned.problem:
        raise CallError(_said(path, returned.problem, returned.stack))
    if returned.is_cancelled:
        return None
    arguments = bytes(returned.arguments)
    if not arguments.startswith(b"{"):
        raise CallError(
            f"{path.name}: the payload that handler returned is {shortened(returned.kind)}; it must"
            " be an object, whose keys become the arguments"
        )
    return arguments


def _said(path: Path, what: str, stack: str) -> str:
    frame = _FRAME.search(stack)
    return f"{path.name}{f':{frame[1]}' if frame else ''}: {shortened(_LIMITS.get(what, what))}"
