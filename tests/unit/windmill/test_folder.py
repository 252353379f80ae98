"""The folder that is pushed to Windmill: its layout, its metadata, and the routes it speaks of."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from domain.money import _EXPONENTS, decimal_text
from tests.support.samples import PROJECT, sample, samples
from tests.support.scripts import WORKSPACE, script, sent
from tests.support.triggers import trigger
from workflows.routes.routes_file import read_routes

FOLDER = WORKSPACE / "f" / "raphus"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py"))
SCRIPTS = [name for name in MODULES if hasattr(script(name), "main")]
STARTED = [name for name in SCRIPTS if "[[route]]" in (script(name).__doc__ or "")]
SCHEDULED = sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.schedule.yaml"))
HANDLERS = ["failure_message"]
FLOWS = sorted(path.stem for path in FOLDER.glob("*.flow"))
PAGES = [WORKSPACE / "README.md", *sorted((PROJECT / "docs" / "windmill").glob("*.md"))]
TYPES = sorted(name for name in samples() if "--" not in name)
JSON_TYPES = {"str": "string", "int": "integer", "bool": "boolean"}
# Types of Windmill's own: frontend/src/lib/components/icons/index.ts names them all.
RESOURCES = {
    "bigquery",
    "clickhouse",
    "discord_webhook",
    "gcal",
    "hubspot",
    "mailchimp",
    "mysql",
    "postgresql",
    "resend",
    "slack",
    "smtp",
    "snowflake",
    "twilio",
}
CLIENTS = {"clickhouse_connect", "google", "psycopg", "pymysql", "snowflake"}


@cache
def read(name: str) -> Any:  # noqa: ANN401 -- YAML
    # It comes with other tools of the tests, and without types.
    return importlib.import_module("yaml").safe_load((WORKSPACE / name).read_text("utf-8"))


def metadata(name: str) -> Any:  # noqa: ANN401 -- YAML
    return read(f"f/raphus/{name}.script.yaml")


def parameters(name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(script(name).main).parameters.values())


def snippet(name: str) -> str:
    doc = inspect.getdoc(script(name)) or ""
    return inspect.cleandoc(doc[doc.index("    [[route]]") :])


def test_every_script_is_started_by_something() -> None:
    assert sorted([*STARTED, *SCHEDULED, *HANDLERS]) == SCRIPTS


@pytest.mark.parametrize("name", MODULES)
def test_each_module_has_its_metadata(name: str) -> None:
    about = metadata(name)
    assert set(about) == {"summary", "description", "lock", "kind", "schema"}
    assert about["kind"] == "script"
    assert set(about["schema"]) == {"$schema", "type", "order", "properties", "required"}
    if name not in SCRIPTS:
        assert about["schema"]["properties"] == {}
        assert about["summary"].startswith("Shared: ")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_schema_names_exactly_what_main_takes(name: str) -> None:
    schema, taken = metadata(name)["schema"], parameters(name)
    assert list(schema["properties"]) == [parameter.name for parameter in taken]
    assert schema["order"] == list(schema["properties"])
    assert schema["required"] == [p.name for p in taken if p.default is p.empty]
    for parameter in taken:
        declared = schema["properties"][parameter.name]
        annotation = str(parameter.annotation).removesuffix(" | None")
        assert declared["type"] == JSON_TYPES.get(annotation, "object")
        assert declared["description"]
        resource = f"resource-{annotation}" if annotation in RESOURCES else None
        assert declared.get("format") == resource
        if parameter.default not in {parameter.empty, None}:
            assert declared["default"] == parameter.default
        else:
            assert "default" not in declared


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_default_is_a_literal_as_windmill_reads_no_other(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))
    (main,) = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main"]
    assert all(isinstance(default, ast.Constant) for default in main.args.defaults)


@pytest.mark.parametrize("name", MODULES)
def test_a_script_needs_a_usual_client_and_the_standard_library_and_no_more(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))
    imported = {
        module.partition(".")[0]
        for node in ast.walk(tree)
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names | CLIENTS | {"f"}


def test_amounts_are_written_as_raphus_writes_them() -> None:
    facts = script("facts")
    for currency in ("USD", "JPY", "KWD", "XYZ", *facts.DECIMALS):
        for amount in (0, 5, 12_345, -7):
            assert facts.money(amount, currency) == decimal_text(amount, currency)
    assert facts.DECIMALS == _EXPONENTS


@pytest.mark.parametrize(
    ("module", "package"),
    [("google", "google-cloud-bigquery"), ("snowflake", "snowflake-connector-python")],
)
def test_what_windmill_would_guess_wrongly_is_required_by_name(module: str, package: str) -> None:
    # windmill-parser-py-imports/src/lib.rs: the lines behind `# requirements:`, and no others.
    sources = [path.read_text("utf-8") for path in FOLDER.glob("*.py")]
    (importing,) = [one for one in sources if f"\nfrom {module}." in one]
    (required,) = re.findall(r"^# requirements:\n((?:# ?\S+\n)+)", importing, re.MULTILINE)
    assert required.startswith(f"# {package}>=")
    # Nothing that it imports of this folder needs a package, which would be missing then.
    shared = [FOLDER / f"{name}.py" for name in re.findall(r"from f\.raphus\.(\w+)", importing)]
    assert shared
    assert all(client not in path.read_text("utf-8") for path in shared for client in CLIENTS)


@pytest.mark.parametrize("name", STARTED)
def test_a_route_gives_its_script_what_it_takes(name: str, tmp_path: Path) -> None:
    file = tmp_path / "windmill.toml"
    file.write_text(snippet(name), "utf-8")
    (route,) = read_routes(file)
    assert route.shown == f"run/p/f/raphus/{name}"
    wanted = [body for body in map(sample, TYPES) if route.wants(trigger(body))]
    assert wanted
    for body in wanted:
        given = sent(route.transformation, body)
        assert set(metadata(name)["schema"]["required"]) <= set(given)


@pytest.mark.parametrize("name", STARTED)
def test_a_page_tells_the_route(name: str) -> None:
    assert any(snippet(name) in page.read_text("utf-8") for page in PAGES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_tables_name_every_script(name: str) -> None:
    assert f"| `f/raphus/{name}` |" in PAGES[0].read_text("utf-8")
    if name not in HANDLERS:
        assert f"`{name}`" in (PROJECT / "docs" / "windmill.md").read_text("utf-8")


def test_the_table_of_uses_names_routes_that_there_are() -> None:
    guide = (PROJECT / "docs" / "windmill.md").read_text("utf-8")
    table = guide[guide.index("| use | script |") : guide.index("## From nothing")]
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", table)) | {"inventory", "letters", "crm"}
    there = {re.findall(r'name = "(.*)"', snippet(name))[0] for name in STARTED}
    assert named <= there


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_schedule_gives_its_script_what_it_takes(name: str) -> None:
    schedule = read(f"f/raphus/{name}.schedule.yaml")
    assert schedule["script_path"] == f"f/raphus/{name}"
    assert len(schedule["schedule"].split()) == 6
    assert set(schedule["args"]) <= {p.name for p in parameters(name)}


def test_a_failed_schedule_is_tried_again_within_the_hour() -> None:
    for name in SCHEDULED:
        retry = read(f"f/raphus/{name}.schedule.yaml")["retry"]["exponential"]
        # The n-th time it waits for multiplier * seconds^n (windmill.dev/docs/flows/retries).
        waits = [retry["multiplier"] * retry["seconds"] ** n for n in range(1, 5)]
        assert retry["attempts"] == len(waits)
        assert 60 < sum(waits) < 3_600


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_gives_its_steps_what_they_take(name: str) -> None:
    flow = read(f"f/raphus/{name}.flow/flow.yaml")["value"]
    steps = [*flow["modules"], flow["failure_module"]]
    assert all("retry" in step for step in flow["modules"])
    for step in steps:
        given = step["value"]["input_transforms"]
        called = step["value"]["path"].removeprefix("f/raphus/")
        schema = metadata(called)["schema"]
        assert set(schema["required"]) <= set(given) <= set(schema["properties"])
        for taken, transform in given.items():
            expected = {"flow_input." + taken, taken} if transform["type"] == "javascript" else None
            assert expected is None or transform["expr"] in expected


def in_scope(files: dict[str, Any]) -> dict[str, Any]:
    """Leave of files what `wmill.yaml` lets Windmill's command line see."""
    config = read("wmill.yaml")

    def meets(path: str, patterns: list[str]) -> bool:
        return any(Path(path).match(pattern) for pattern in patterns)

    return {
        path: content
        for path, content in files.items()
        if meets(path, config["includes"]) and not meets(path, config["excludes"])
    }


def exported(name: str) -> dict[str, Any]:
    """Return the files that Windmill makes of a script that was pushed.

    It has locked it meanwhile, and then the metadata point to the lock (`ScriptMetadata` in
    windmill-api/src/workspaces_export.rs; `ZipFSElement` in cli/src/commands/sync/sync.ts).
    """
    pushed, path = metadata(name), f"f/raphus/{name}"
    told = {key: pushed[key] for key in ("summary", "description", "schema", "kind")}
    return {
        f"{path}.py": (WORKSPACE / f"{path}.py").read_text("utf-8"),
        f"{path}.script.yaml": told | {"lock": f"!inline {path}.script.lock"},
        f"{path}.script.lock": "# py: 3.11\npsycopg==3.2.9",
    }


def test_a_second_push_finds_no_script_changed() -> None:
    remote = {"f/raphus/folder.meta.yaml": {"owners": ["u/me"], "extra_perms": {"u/me": True}}}
    for name in MODULES:
        remote |= exported(name)
    local = {
        f"f/raphus/{path.name}": read(f"f/raphus/{path.name}")
        if path.suffix == ".yaml"
        else path.read_text("utf-8")
        for path in FOLDER.iterdir()
        # It is listed at each push, since Windmill adds who has pushed it, and left as it is.
        if path.is_file() and not path.name.endswith(".schedule.yaml")
    }
    assert in_scope(local) == in_scope(remote)
    assert len(in_scope(local)) == 2 * len(MODULES)


def test_a_lock_is_not_shipped_so_windmill_makes_one() -> None:
    # What is not there is pushed as an empty lock, which Windmill replaces (`replaceLock` in
    # cli/src/utils/metadata.ts, `create_script` in windmill-api/src/scripts.rs).
    assert list(FOLDER.glob("*.lock")) == []


def test_a_push_deletes_nothing_but_in_its_folder_and_no_secret() -> None:
    config = read("wmill.yaml")
    assert config["includes"] == ["f/raphus/**"]
    skipped = ["skipVariables", "skipResources", "skipResourceTypes", "skipSecrets"]
    assert [config[name] for name in skipped] == [True] * 4
    assert config["includeSchedules"] is True
    # The command line wants the file; owners in it would replace those that the workspace has.
    assert set(read("f/raphus/folder.meta.yaml")) == {"summary", "display_name"}
