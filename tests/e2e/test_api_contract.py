"""The running program does what its OpenAPI document says, whatever it is asked."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
import pytest
import requests
from hypothesis import HealthCheck, settings

from api.http.responses import encode
from api.queries.persons import WAYS
from api.resources.access import GET_ACCESS
from api.resources.erasures import ERASE
from api.resources.upkeep import BEGIN_UPKEEP
from api.resources.workflows import REPLAY, RETRY
from api.webhooks.endpoint import PATH
from projections.read_models.catalogue import LISTINGS
from tests.support.http_server import Served, copied, signed
from tests.support.looks import catalogue, observe
from tests.support.openapi_document import DOCUMENT
from tests.support.openapi_references import operations
from tests.support.program import client, serving
from tests.support.samples import samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import schemathesis
    from schemathesis.schemas import BaseSchema

    Case: TypeAlias = schemathesis.Case[Any]

KEY: Final = "a-key-of-thirty-two-characters-0"
AUTHORIZED: Final = {"Authorization": f"Bearer {KEY}"}
# An id of each kind, of which the samples tell.
KNOWN: Final[dict[str, str]] = {}
ERASING: Final = ERASE.path.replace(":path", "")
WITHOUT_IT_IS_REFUSED: Final = {
    ERASING: {"reason": "asked for"},
    RETRY.path: {"route": "none"},
    BEGIN_UPKEEP.path: {"kind": "verify"},
}
"""What changes something needs this."""
KNOWN_AT: Final = "2026-05-01T00:00:00Z"
DAY: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
SPRING: Final = {
    **dict.fromkeys(("start", "cohort_start"), "2026-03-01"),
    **dict.fromkeys(("end", "cohort_end"), "2026-04-30"),
}
RATES: Final = """
[rates]
into = "USD"
EUR = "1.08"
"""
ASKED_OF: Final = 3
"""So many operations are asked each wrong value of a parameter, beside one that is wrong alike."""
SETTINGS: Final = settings(
    max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def program(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The program with a key, which knows all our samples."""
    folder = tmp_path_factory.mktemp("contract")
    home, policy = folder / "home", folder / "raphus.toml"
    policy.write_text(RATES)
    own = {"RAPHUS_API_KEY": KEY, "RAPHUS_POLICY": str(policy)}
    with (
        copied(cluster, template) as conninfo,
        serving(home, DATABASE_URL=conninfo, **own) as running,
        client(running.url, **AUTHORIZED) as asking,
    ):
        server = Served(running.url, asking)
        observe(conninfo, catalogue("bus_1"))
        position = "0"
        for name, body in samples().items():
            position = server.deliver(body, name)
        server.get("/v1/payments", min_position=position)
        # What was known then is prepared before it is asked for, however busy the machine.
        server.get("/v1/payments", known_at=KNOWN_AT)
        _learn(server)
        yield server


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """One connection for all that is asked."""
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


@pytest.fixture(scope="module")
def questions() -> Questions:
    """What this process has asked."""
    return Questions()


def _learn(server: Served) -> None:
    for resource, listing in LISTINGS.items():
        newest = server.get(f"/v1/{resource}")["items"][0]
        KNOWN[resource] = newest[listing.id_field]
        KNOWN["customers"] = newest["customer_id"] or KNOWN["customers"]
    KNOWN["events"] = "payment.succeeded"


def _days(query: Mapping[str, Any]) -> dict[str, str]:
    """Give days that there are, in their order, for all that look like days."""
    asked = {name for name in SPRING if name in query}
    return {name: SPRING[name] for name in asked if re.fullmatch(DAY, str(query[name]))}


def _make_sense(case: Case) -> None:
    """Turn what fits the document into what means something here; what does not stays."""
    needed = WITHOUT_IT_IS_REFUSED.get(case.operation.path, {}) if case.method != "GET" else {}
    query: dict[str, Any] = needed | (case.query or {})
    if re.fullmatch("[A-Za-z0-9_-]{1,1200}", str(query.get("cursor", ""))):
        del query["cursor"]  # nobody but the server can make one
    if re.fullmatch("[0-9]{1,18}", str(query.get("min_position", ""))):
        query["min_position"] = "1"  # any other might be waited for
    for name in {"as_of", "known_at"} & query.keys():
        if re.fullmatch("[0-9]{4}-.*T.*", str(query[name])):
            query[name] = KNOWN_AT  # those to come are refused
    case.query = query | _days(query)
    if case.operation.path == GET_ACCESS.path:
        _name_one(case)
    asked = case.path_parameters.get("id") if case.path_parameters else None
    # Who is known is not erased: what was known then would be prepared anew.
    kind = case.operation.path.split("/")[2:3] if case.operation.path != ERASING else [""]
    if isinstance(asked, str) and len(asked) % 2 and kind[0] in KNOWN:
        case.path_parameters["id"] = KNOWN[kind[0]]


def _name_one(case: Case) -> None:
    """Ask about a person by one name: of several, or none, it is refused."""
    query = {name: value for name, value in (case.query or {}).items() if name not in WAYS}
    case.query = {"customer_id": KNOWN["customers"]} | query


def _is_meant_well(case: Case) -> bool:
    from schemathesis import GenerationMode  # noqa: PLC0415 -- as below

    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


class Questions:
    """Which values of parameters were asked: of each operation, and of all of them.

    What a value means is found out by the same code for all operations, and so are names that no
    parameter has, and values that are given twice. So each of them is asked one value that is
    wrong in a way and one that is right, and each such value is asked of some operations. Of a few
    words or a yes or no each operation makes something of its own: all of those are asked.

    What is right in all is asked once, if it changes nothing: what makes sense is often the same.
    """

    def __init__(self) -> None:
        self._ways: set[tuple[object, ...]] = set()
        self._values: Counter[tuple[object, ...]] = Counter()
        self._right: set[tuple[str, ...]] = set()

    def were_asked(self, case: Case) -> bool:
        """Tell whether all of it was asked just so and is right, and otherwise take it as asked."""
        if case.method != "GET" or not _is_meant_well(case):
            return False
        whole = case.formatted_path, *map(repr, (case.query, case.headers, case.cookies))
        is_known = whole in self._right
        self._right.add(whole)
        return is_known

    def tells_nothing_new(self, case: Case) -> bool:
        """Tell whether that is so of a case, and otherwise take it as asked."""
        from schemathesis.generation.meta import CoveragePhaseData  # noqa: PLC0415 -- as below
        from schemathesis.generation.meta import CoverageScenario as Ways  # noqa: PLC0415

        about = case.meta.phase.data if case.meta else None
        if not isinstance(about, CoveragePhaseData):
            return False
        own = case.operation.label
        if about.scenario is Ways.OBJECT_UNEXPECTED_PROPERTIES:
            return self._was_asked((own, about.scenario), (about.scenario, *sorted(case.query)))
        if about.parameter is None or about.parameter not in case.query:
            return False
        is_right = _is_meant_well(case)
        if is_right and about.scenario in {Ways.ENUM_VALUE, Ways.VALID_BOOLEAN}:
            return False
        value = case.query[about.parameter]
        way = about.parameter, None if is_right else about.scenario
        if isinstance(value, list):
            return self._was_asked((*way, list), (*way, list))
        # By itself, and then again among others.
        return self._was_asked((own, *way), (*way, repr(value)))

    def _was_asked(self, way: tuple[object, ...], value: tuple[object, ...]) -> bool:
        if way in self._ways and self._values[value] >= ASKED_OF:
            return True
        self._ways.add(way)
        self._values[value] += 1
        return False


def _sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Sign what is about to be sent (`requests` has this done by a callable `auth`)."""
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    assert isinstance(body, bytes)
    request.headers.update(signed(body, "msg_contract"))
    return request


def test_the_program_serves_the_document(program: Served) -> None:
    assert program.get("/openapi.json") == msgspec.json.decode(encode(DOCUMENT))


@pytest.mark.parametrize(("method", "path"), [one[:2] for one in operations(DOCUMENT)])
def test_an_operation_keeps_to_the_document(
    method: str,
    path: str,
    program: Served,
    session: requests.Session,
    questions: Questions,
) -> None:
    from schemathesis.specs.openapi.checks import (  # noqa: PLC0415 -- as below
        ignored_auth,
        positive_data_acceptance,
        unsupported_method,
    )

    # What is asked for there by another method is a customer: an id may hold slashes.
    unfit = [unsupported_method] if path == ERASING else []
    if path == REPLAY.path:
        unfit.append(positive_data_acceptance)  # here is no route, so each name of one is refused

    def check(case: Case) -> None:
        _make_sense(case)
        if questions.were_asked(case) or questions.tells_nothing_new(case):
            return
        meant_well = _is_meant_well(case)
        sign = _sign if meant_well and case.operation.path == PATH else None
        response = case.call_and_validate(
            base_url=program.url,
            headers=AUTHORIZED,
            auth=sign,
            excluded_checks=unfit,
            session=session,
        )
        if meant_well and response.status_code == 200 and ignored_auth not in unfit:
            # It has been refused without a key and with a wrong one, which takes its time.
            unfit.append(ignored_auth)

    _tested(method, path, check)()


@cache
def _schema() -> BaseSchema:
    from schemathesis.openapi import from_dict  # noqa: PLC0415 -- as below

    return from_dict(DOCUMENT)


def _tested(method: str, path: str, check: Callable[[Case], None]) -> Callable[[], None]:
    """Make the test of an operation, as `schema.parametrize()` would.

    That makes the cases of all operations, for seconds, in each process that collects the tests.
    """
    from schemathesis.generation.feedback import FeedbackSources  # noqa: PLC0415
    from schemathesis.pytest._test_builder import build_operation_test  # noqa: PLC0415

    schema = _schema()
    return build_operation_test(
        config=schema.config,
        operation=schema[path][method],
        test_func=check,
        given_kwargs={},
        feedback=FeedbackSources(),
        explicit_settings=SETTINGS,
    )
