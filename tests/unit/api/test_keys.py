"""Keys and scopes: what is kept of a key, what a scope includes, and what is not one."""

from __future__ import annotations

import hashlib

import pytest

from api.http.errors import ApiError
from api.http.scopes import EVERYBODY, OWNER, SCOPES, Caller, Scope
from api.keys import table
from api.keys.secret import MARK, PREFIX_CHARS, hash_of, new_key


def test_a_key_is_random_marked_and_of_256_bits() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith(MARK) and len(key) == len(MARK) + 43 for key in keys)


def test_of_a_key_its_hash_and_its_first_characters_are_kept_and_nothing_else() -> None:
    key = new_key()
    params = table.create(key, "web", ["read"], "bus_1").params
    assert params["hash"] == hash_of(key.encode()) == hashlib.sha256(key.encode()).digest()
    assert params["prefix"] == key[:PREFIX_CHARS]
    assert key[PREFIX_CHARS:] not in repr(params)


def test_scopes_are_kept_once_and_in_one_order() -> None:
    params = table.create(new_key(), "web", ["admin", "read", "admin"]).params
    assert params["scopes"] == ["read", "admin"]


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        ("access", {"access"}),
        ("read", {"access", "read"}),
        ("personal", {"access", "read", "personal"}),
        ("admin", {"admin"}),
    ],
)
def test_what_a_scope_includes(scope: Scope, may: set[str]) -> None:
    caller = Caller.with_scopes([scope])
    for asked in SCOPES:
        if asked in may:
            caller.check(asked, of_all=True)
        else:
            with pytest.raises(ApiError) as refused:
                caller.check(asked, of_all=False)
            problem = refused.value.body.error
            assert (refused.value.status, problem.code) == (403, "insufficient_scope")
            assert asked in problem.message
            assert scope not in str(problem.details["needed"])


def test_several_scopes_add_up_and_the_owner_has_all() -> None:
    assert Caller.with_scopes(["access", "admin"]).may == {"access", "admin"}
    assert OWNER.may == set(SCOPES)
    assert not EVERYBODY.may


def test_who_is_bound_to_a_business_is_told_nothing_of_the_whole() -> None:
    bound = Caller.with_scopes(SCOPES, "bus_1")
    bound.check("read", of_all=False)
    with pytest.raises(ApiError) as refused:
        bound.check("read", of_all=True)
    assert (refused.value.status, refused.value.body.error.code) == (403, "bound_to_business")
    assert not bound.sees_all
    assert OWNER.sees_all
    assert not Caller.with_scopes(["admin"]).sees_all


@pytest.mark.parametrize("value", ["", "Read", "write", "read,admin"])
def test_an_unknown_scope_is_answered_with_those_that_there_are(value: str) -> None:
    with pytest.raises(ValueError, match="access, read, personal, admin"):
        table.read_scope(value)


@pytest.mark.parametrize("value", ["", " web", "-web", "a" * 65, "web\n", "wéb", "a b"])
def test_what_cannot_be_a_name(value: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        table.read_name(value)


def test_what_can_be_a_name() -> None:
    assert table.read_name("web-1.prod_2") == "web-1.prod_2"


@pytest.mark.parametrize("value", ["", "bus\n1", "b" * 201])
def test_what_cannot_be_the_id_of_a_business(value: str) -> None:
    with pytest.raises(ValueError, match="1 to 200"):
        table.read_business(value)
