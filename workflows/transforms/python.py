"""Calls the merchant's own function, whose file is read anew when it has changed."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from workflows.transforms.sandbox_protocol import CallError
from workflows.transforms.source_files import read_source, shortened

if TYPE_CHECKING:
    from workflows.transforms.sandbox_protocol import Call


class _Loaded(NamedTuple):
    source: str
    module: ModuleType


_loaded: Final[dict[Path, _Loaded]] = {}


def run(call: Call) -> bytes | None:
    """Call the function; return the dict it gives back as JSON, None to send nothing.

    Raises:
        CallError: it raises, or returns what is no JSON object.
        MemoryError: there is no memory for it.
    """
    path = Path(call.path)
    source = read_source(path)
    argument = msgspec.json.decode(call.argument)
    try:
        function = getattr(_module(path, source), call.function, None)
        if not callable(function):
            raise CallError(f"{path.name}: it has no function {call.function}")
        returned = function(argument)
    except (CallError, MemoryError):
        raise
    except BaseException as error:
        raise CallError(_said(path, error)) from error
    if returned is None:
        return None
    if not isinstance(returned, dict):
        kind = type(returned).__name__
        raise CallError(
            f"{path.name}: {call.function} returned {kind}; it must return a dict, whose keys"
            " become the arguments, or None to start nothing"
        )
    try:
        return msgspec.json.encode(returned)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise CallError(
            f"{path.name}: what {call.function} returned is not JSON: {shortened(str(error))}"
        ) from error


def _module(path: Path, source: str) -> ModuleType:
    loaded = _loaded.get(path)
    if loaded is not None and loaded.source == source:
        return loaded.module
    module = ModuleType(f"raphus_transformation_{path.stem}")
    module.__file__ = str(path)
    # At the end, so that nothing beside the file stands in for a module that is installed.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[module.__name__] = module  # where dataclasses look for what they are made in
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 -- it is what we are for
    _loaded[path] = _Loaded(source, module)
    return module


def _said(path: Path, error: BaseException) -> str:
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == str(path)]
    message = shortened(str(error))
    if isinstance(error, SyntaxError) and error.filename == str(path) and error.lineno:
        lines.append(error.lineno)
        message = error.msg
    place = f":{lines[-1]}" if lines else ""
    return f"{path.name}{place}: {type(error).__name__}{f': {message}' if message else ''}"
