"""Everything for a warehouse: whole, then what has changed, whatever changed it, whoever died."""

from __future__ import annotations

import json
import random
import threading
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from api.exports.warehouse.comparing import compare
from api.exports.warehouse.exporting import Exported, export_all
from api.exports.warehouse.state import ExportError, State
from api.exports.warehouse.tables import COMPARED
from ledger.erasure import Request
from projections.read_models.catalogue import LISTINGS, READ_MODELS
from projections.rebuild.rebuild import rebuild
from telemetry.progress import silent
from tests.support.histories import delivery, said
from tests.support.http_server import copied, served
from tests.support.looks import catalogue, observe
from tests.support.projected import (
    few_payouts,
    following,
    go_to_the_end,
    project,
    record,
    simulated,
)
from tests.support.samples import samples
from tests.support.warehouse import leftovers, loaded, manifest_of
from workflows.erasure import forget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from api.exports.formats import Format
    from domain.delivery import Delivery
    from tests.support.http_server import CopyOf


RUNS: Final = 12


class KilledError(BaseException):
    """What stands for a kill: nothing handles it."""


def export(conninfo: str, folder: Path, format_: Format | None = None, **how: bool) -> Exported:
    return export_all(conninfo, folder, format_, silent, anew=how.get("anew", False))


def tell(conninfo: str, deliveries: Sequence[Delivery]) -> None:
    record(conninfo, deliveries)
    project(conninfo)


def five_customers(conninfo: str) -> None:
    tell(conninfo, few_payouts(simulated(5)))


@pytest.fixture
def merchant(copy_of: CopyOf) -> Iterator[str]:
    """A database with what a merchant of five customers was told."""
    with copy_of(five_customers) as conninfo:
        yield conninfo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files and batches be small, so that there are many of them."""
    monkeypatch.setattr("api.exports.warehouse.writing.FILE_ROWS", 40)
    monkeypatch.setattr("api.exports.warehouse.comparing.AT_ONCE", 15)
    monkeypatch.setattr("api.exports.warehouse.comparing.HASHES_AT_ONCE", 50)
    monkeypatch.setattr("api.exports.warehouse.log.BATCH_ROWS", 15)


@pytest.fixture(scope="module")
def shop(cluster: str, template: str) -> Iterator[str]:
    """A merchant of whom there is something of everything, which nothing changes."""
    with copied(cluster, template) as conninfo:
        told = [delivery(body, f"msg_{name}") for name, body in samples().items()]
        record(conninfo, [*few_payouts(simulated(10)), *told])
        observe(conninfo, catalogue("bus_1", products=2))
        project(conninfo)
        yield conninfo


def test_all_of_it_is_what_the_api_answers(shop: str, folder: Path) -> None:
    done = export(shop, folder)
    tables = loaded(folder)
    assert sum(map(len, tables.values())) == done.rows
    with served(shop) as server:
        for name, listing in LISTINGS.items():
            for row in tables[name].values():
                told = server.get(f"/v1/{name}/{row[listing.id_field]}")
                assert {**told, **without_names(row)} == told
            assert tables[name], name
        for (customer_id, business_id), row in tables["customers"].items():
            told = server.get(f"/v1/customers/{customer_id}")
            assert told["business_id"] != business_id or told == row
        for row in tables["events"].values():
            event = server.get(f"/v1/events/{row['webhook_id']}")
            bodies = {one["position"]: one["body"] for one in (event, *event["other_bodies"])}
            assert bodies[str(row["position"])] == row["body"]
    with psycopg.connect(shop) as conn:
        for one in COMPARED:
            ((count,),) = conn.execute(f"SELECT count(*) FROM raphus.{one.table.name}").fetchall()
            assert len(tables[one.table.name]) == count
    assert manifest_of(folder)["position"] == len(tables["events"])


def without_names(row: Any) -> Any:  # noqa: ANN401 -- JSON
    """Leave out what holds the names of products, which are in a table of their own."""
    return {name: row[name] for name in row.keys() - {"scheduled_change", "cart"}}


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_every_format_has_the_same_rows(format_: Format, shop: str, folder: Path) -> None:
    export(shop, folder / "jsonl")
    export(shop, folder / format_, format_)
    lines, others = loaded(folder / "jsonl"), loaded(folder / format_)
    for name, rows in lines.items():
        assert {tuple(one.removeprefix("'") for one in key) for key in others[name]} == {
            tuple(times_as(format_, one) for one in key) for key in rows
        }
        assert all(
            list(one) == list(dict.fromkeys(names_in(other)))
            for one, other in zip(rows.values(), others[name].values(), strict=True)
        )


def times_as(format_: Format, value: str) -> str:
    is_time = format_ == "parquet" and value.endswith("Z") and value[10] == "T"
    return value.replace("T", " ").replace("Z", "+00:00") if is_time else value


def names_in(row: Any) -> list[str]:  # noqa: ANN401 -- of CSV, or of Parquet
    return [name.partition(".")[0] for name in row]


def test_a_second_run_writes_what_has_changed_and_nothing_else(database: str, folder: Path) -> None:
    told = few_payouts(simulated(8))
    tell(database, told[:-3])
    first = export(database, folder)
    assert export(database, folder).rows == 0
    tell(database, told[-3:])
    before = {one: one.read_bytes() for one in folder.glob("*/*")}
    second = export(database, folder)
    assert 3 < second.rows < 40
    assert first.rows > 10 * second.rows
    assert all(file.read_bytes() == data for file, data in before.items())
    export(database, folder.with_name("whole"))
    assert loaded(folder) == loaded(folder.with_name("whole"))
    assert manifest_of(folder)["position"] == second.manifest.position > first.manifest.position


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_however_often_a_run_dies_what_is_loaded_is_what_there_is(
    seed: int, database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    told = few_payouts(simulated(9, seed=seed))
    chance.shuffle(told)
    at_once = -(-len(told) // RUNS)
    add, left = State.add, 0

    def dying(self: State, *args: Any) -> None:  # noqa: ANN401
        nonlocal left
        left -= 1
        if left == 0 and chance.random() < 0.5:
            raise KilledError
        add(self, *args)
        if left == 0:
            raise KilledError

    monkeypatch.setattr(State, "add", dying)
    ended = 0
    with following(database) as follower:
        while told:
            record(database, told[:at_once])
            go_to_the_end(follower)
            del told[:at_once]
            left = chance.choice([0, 1, 2, 4, 8])
            try:
                export(database, folder)
            except KilledError:
                if ended:  # what was there before is whole, whatever has been written since
                    assert manifest_of(folder)["run"] == ended
                    loaded(folder)
            else:
                ended = manifest_of(folder)["run"]
                assert not leftovers(folder)
    left = 0
    export(database, folder)
    export(database, folder.with_name("whole"))
    assert loaded(folder) == loaded(folder.with_name("whole"))
    assert not leftovers(folder)


def test_a_run_that_died_is_gone_on_with(
    merchant: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export(merchant, folder.with_name("whole"))
    with monkeypatch.context() as patch:
        patch.setattr("api.exports.warehouse.exporting.follow", _die)
        with pytest.raises(KilledError):
            export(merchant, folder)
    assert not (folder / "manifest.json").exists()
    rest = export(merchant, folder)
    assert rest.rows == whole.manifest.position  # of the events, of which none had been written
    assert loaded(folder) == loaded(folder.with_name("whole"))


def _die(*_: object) -> None:
    raise KilledError


def test_what_joins_tables_changes_a_row_too(database: str, folder: Path) -> None:
    """A dispute has the customer of its payment, of which is heard later."""
    tell(database, [said("dispute.opened", 2, dispute_id="dp_1", payment_id="pay_1")])
    export(database, folder)
    assert loaded(folder)["disputes"]["dp_1", "bus_1"]["customer_id"] is None
    customer = {"customer_id": "cus_1"}
    tell(database, [said("payment.succeeded", 1, payment_id="pay_1", customer=customer)])
    export(database, folder)
    assert loaded(folder)["disputes"]["dp_1", "bus_1"]["customer_id"] == "cus_1"


def test_what_a_rebuild_changes_is_written_though_the_log_is_as_it_was(
    database: str, folder: Path
) -> None:
    refund = said("refund.succeeded", refund_id="ref_1", payment_id="pay_1", amount=5)
    tell(database, [*few_payouts(simulated(5)), refund])
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE raphus.payments SET total_amount = 1")
        conn.execute("DELETE FROM raphus.timeline WHERE position = 7")
        ((stray,),) = conn.execute(
            "INSERT INTO raphus.refunds SELECT (jsonb_populate_record(t, "
            """ '{"refund_id": "ref_stray", "first_position": 100000}')).*"""
            " FROM raphus.refunds AS t LIMIT 1 RETURNING refund_id"
        ).fetchall()
    export(database, folder)
    assert any(key[0] == stray for key in loaded(folder)["refunds"])
    rebuild(database, READ_MODELS, check=False, progress=silent)
    done = export(database, folder)
    assert done.rows > 0
    export(database, folder.with_name("whole"))
    assert loaded(folder) == loaded(folder.with_name("whole"))
    assert not any(key[0] == stray for key in loaded(folder)["refunds"])
    gone = [
        row
        for file in (folder / "refunds").glob("*")
        for row in map(json.loads, file.read_text().splitlines())
        if row["_deleted"]
    ]
    assert [(row["refund_id"], row["status"]) for row in gone] == [(stray, None)]


def test_who_was_forgotten_is_told_and_his_events_are_written_again(
    merchant: str, folder: Path
) -> None:
    export(merchant, folder)
    customer_id = next(iter(loaded(folder)["customers"]))[0]
    secret = loaded(folder)["customers"][customer_id, "bus_demo"]["email"]
    assert secret
    forgotten = forget(merchant, Request(customer_id, None, "she asked", None))
    project(merchant)
    export(merchant, folder)
    tables = loaded(folder)
    (erasure,) = tables["erasures"].values()
    assert erasure["customer_id"] == customer_id
    assert erasure["events"] == sum(forgotten.events.values())
    assert secret not in json.dumps([list(rows.values()) for rows in tables.values()])
    emptied = [row for row in tables["events"].values() if row["erased_by"]]
    assert len(emptied) == erasure["events"]
    export(merchant, folder.with_name("whole"))
    assert tables == loaded(folder.with_name("whole"))
    # Until all of it is written anew, the files of before say what they said.
    assert secret in "".join(file.read_text() for file in folder.glob("*/*"))
    export(merchant, folder, anew=True)
    assert secret not in "".join(file.read_text() for file in folder.glob("*/*"))
    assert loaded(folder) == tables


def test_anew_replaces_all_files_once_there_are_new_ones(
    merchant: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(merchant, folder)
    before, tables = set(folder.glob("*/*")), loaded(folder)
    with monkeypatch.context() as patch:
        patch.setattr("api.exports.warehouse.exporting.follow", _die)
        with pytest.raises(KilledError):
            export(merchant, folder, "csv", anew=True)
    assert loaded(folder) == tables
    export(merchant, folder)
    assert manifest_of(folder)["format"] == "csv"
    assert not before & set(folder.glob("*/*"))
    assert not leftovers(folder)
    assert {name: len(rows) for name, rows in loaded(folder).items()} == {
        name: len(rows) for name, rows in tables.items()
    }


def test_a_table_with_other_columns_than_before_is_written_anew(
    merchant: str, folder: Path
) -> None:
    export(merchant, folder)
    tables = loaded(folder)
    note_columns(folder, "subscriptions")
    note_columns(folder, "events")
    done = export(merchant, folder)
    assert done.rows == len(tables["subscriptions"]) + len(tables["events"])
    assert loaded(folder) == tables
    files = manifest_of(folder)["tables"]
    assert {file["run"] for file in files["subscriptions"]["files"]} == {2}
    assert {file["run"] for file in files["payments"]["files"]} == {1}


def note_columns(folder: Path, table: str) -> None:
    """Let a folder say that an older release wrote a table, which had other columns."""
    import sqlite3  # noqa: PLC0415

    with sqlite3.connect(folder / "state.sqlite") as conn:
        conn.execute("UPDATE noted SET value = '[]' WHERE name = ?", [f"columns of {table}"])
    conn.close()


def refused(conninfo: str, folder: Path, format_: Format | None = None) -> str:
    with pytest.raises(ExportError) as told:
        export(conninfo, folder, format_)
    return str(told.value)


def test_a_folder_of_something_else_is_left_alone(database: str, shop: str, folder: Path) -> None:
    other = folder.with_name("notes")
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    assert "not empty" in refused(database, other)
    tell(database, few_payouts(simulated(3)))
    export(database, folder)
    assert "is written as jsonl" in refused(database, folder, "csv")
    assert "of another log" in refused(shop, folder)
    (folder / "events" / "mine.txt").write_text("mine")
    export(database, folder)
    assert (folder / "events" / "mine.txt").exists()


def test_read_models_that_are_behind_what_was_written_are_waited_for(
    database: str, folder: Path
) -> None:
    told = few_payouts(simulated(4))
    half = len(told) // 2
    tell(database, told[:half])
    with psycopg.connect(database) as conn:
        ((position, hash_, events),) = conn.execute(
            "SELECT notification_id, hash, events FROM raphus.projections_tracking"
            " WHERE application_name = 'ledger'"
        ).fetchall()
    tell(database, told[half:])
    export(database, folder)
    with psycopg.connect(database) as conn:
        conn.execute(
            "UPDATE raphus.projections_tracking SET notification_id = %s, hash = %s, events = %s"
            " WHERE application_name = 'ledger'",
            [position, hash_, events],
        )
    assert "wait until they do" in refused(database, folder)


def test_one_writes_at_a_time(merchant: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def meanwhile(*_: object) -> None:
        thread = threading.Thread(target=lambda: told.append(refused(merchant, folder)))
        thread.start()
        thread.join()

    with monkeypatch.context() as patch:
        patch.setattr("api.exports.warehouse.exporting.follow", meanwhile)
        export(merchant, folder)
    assert told == ["another export is being written into this folder"]


def test_all_of_it_is_of_one_moment(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = few_payouts(simulated(6))
    half = len(told) // 2
    tell(database, told[:half])
    export(database, folder.with_name("before"))

    def compare_and_write(*args: Any) -> None:  # noqa: ANN401
        compare(*args)
        if told:
            tell(database, told[half:])
            told.clear()

    monkeypatch.setattr("api.exports.warehouse.exporting.compare", compare_and_write)
    export(database, folder)
    assert loaded(folder) == loaded(folder.with_name("before"))
    assert export(database, folder).rows > 0


def test_of_nothing_there_is_nothing_yet(database: str, folder: Path) -> None:
    assert export(database, folder).rows == 0
    assert export(database, folder).manifest.position == 0
    assert not any(loaded(folder).values())
    tell(database, few_payouts(simulated(2)))
    export(database, folder)
    assert loaded(folder)["events"]
