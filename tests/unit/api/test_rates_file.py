"""The rates in raphus.toml: what they say, what they come to, and what is told of a wrong one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from api.http.errors import ApiError
from api.queries.rates_file import RatesFile, read_rates
from domain.access.policy import Policy
from domain.revenue.rates import Rates
from workflows.policy_file import PolicyError, read_policy

TABLE = '[rates]\ninto = "USD"\nEUR = "1.08"\nJPY = "0.0067"\n'


def rates(text: str) -> Rates | None:
    return read_rates(Path("raphus.toml"), text.encode())


def test_they_stand_beside_the_policy_in_one_file() -> None:
    both = f'{TABLE}[access]\non_hold = "no"\n'
    assert rates(both) == Rates("USD", {"EUR": "1.08", "JPY": "0.0067"})
    assert read_policy(Path("raphus.toml"), TABLE.encode()) == Policy()
    assert rates('[access]\non_hold = "no"\n') is None


def test_a_factor_is_of_minor_units() -> None:
    found = rates(f'{TABLE}KWD = "3.25"\n')
    assert found is not None
    # 100 JPY have no smaller unit and are 0.67 USD; 1 KWD has 1,000 fils.
    assert found.factors() == {
        "EUR": Decimal("1.08"),
        "JPY": Decimal("0.67"),
        "KWD": Decimal("0.325"),
        "USD": Decimal(1),
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rates = 1\n", ':1: rates must be a table with into = "USD"'),
        ('\n[rates]\nEUR = "1"\n', ':2: rates must be a table with into = "USD"'),
        ('[rates]\ninto = "usd"\n', ":2: into must be the code of a currency"),
        ('[rates]\ninto = "USD"\neur = "1"\n', ":3: eur must be the code of a currency"),
        ('[rates]\ninto = "USD"\nEUR = 1.08\n', ":3: EUR must be a rate in quotes"),
        ('[rates]\ninto = "USD"\nEUR = "0.0"\n', ":3: EUR must be a rate in quotes"),
        ('[rates]\ninto = "USD"\nEUR = "-1"\n', ":3: EUR must be a rate in quotes"),
        ('[rates]\ninto = "USD"\nUSD = "1"\n', ":1: rates has a rate of USD into itself"),
        ("[rates\n", ":1: not TOML: "),
    ],
)
def test_a_wrong_table_is_told_with_its_line_and_what_is_expected(text: str, problem: str) -> None:
    with pytest.raises(PolicyError) as error:
        rates(text)
    assert str(error.value).startswith(f"raphus.toml{problem}")


def test_without_rates_nothing_is_converted_and_by_old_ones_neither(tmp_path: Path) -> None:
    path = tmp_path / "raphus.toml"
    file = RatesFile(path)
    with pytest.raises(ApiError, match=r"write a table \[rates\] into raphus.toml") as error:
        file.asked()
    assert error.value.status == 400
    path.write_text(TABLE)
    assert file.asked().into == "USD"
    path.write_text(TABLE.replace("1.08", "a lot"))
    with pytest.raises(ApiError, match=r"raphus.toml:3: EUR must be a rate") as error:
        file.asked()
    assert error.value.status == 503
