"""What the environment may say, and how what it says wrongly is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.settings import Settings, SettingsError, without_secrets
from domain.identities import EXTERNAL_ID_KEYS

SECRET = "whsec_" + "c2VjcmV0" * 4
OTHER = "whsec_" + "b3RoZXI0" * 4
KEY = "a-key-of-thirty-two-characters-0"
SECRETS = "DODO_PAYMENTS_WEBHOOK_KEY RAPHUS_API_KEY DATABASE_URL WINDMILL_TOKEN".split()


def test_an_empty_environment_gives_the_safe_defaults() -> None:
    settings = Settings.read({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.home.is_absolute()
    assert settings.home.name == "raphus"
    assert (settings.api_key, settings.database_url, settings.webhook_keys) == (None, None, ())


def test_a_variable_that_is_set_to_nothing_counts_as_not_set() -> None:
    names = (
        "HOST PORT RAPHUS_API_KEY DATABASE_URL DODO_PAYMENTS_WEBHOOK_KEY RAPHUS_HOME"
        " WINDMILL_BASE_URL WINDMILL_WORKSPACE WINDMILL_TOKEN WINDMILL_ROUTES"
        " DODO_PAYMENTS_API_KEY DODO_PAYMENTS_ENVIRONMENT DODO_PAYMENTS_BASE_URL"
        " RAPHUS_DODO_REQUESTS_PER_MINUTE RAPHUS_WORKERS"
    ).split()
    assert Settings.read(dict.fromkeys(names, "")) == Settings.read({})


def test_the_home_is_where_it_is_said_to_be(tmp_path: Path) -> None:
    assert Settings.read({"RAPHUS_HOME": str(tmp_path)}).home == tmp_path


def test_several_secrets_stand_between_commas() -> None:
    settings = Settings.read({"DODO_PAYMENTS_WEBHOOK_KEY": f"{SECRET}, {OTHER}"})
    assert settings.webhook_keys == (SECRET, OTHER)
    settings.verifier()


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_secret_may_stand_in_a_file(name: str, tmp_path: Path) -> None:
    value = {"DODO_PAYMENTS_WEBHOOK_KEY": SECRET, "RAPHUS_API_KEY": KEY}.get(
        name, "postgresql://somewhere"
    )
    path = tmp_path / "secret"
    path.write_text(f"  {value}\n")
    assert Settings.read({f"{name}_FILE": str(path)}) == Settings.read({name: value})


@pytest.mark.parametrize("name", SECRETS)
def test_a_value_and_a_file_at_once_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"{name} and {name}_FILE are both set"):
        Settings.read({name: "x", f"{name}_FILE": str(tmp_path)})


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_file_that_holds_no_text_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="RAPHUS_API_KEY_FILE: "):
        Settings.read({"RAPHUS_API_KEY_FILE": str(path)})


@pytest.mark.parametrize("port", ["-1", "65536", "http", "8_000", "8000.0", "٣", "9" * 5_000])
def test_what_is_not_a_port_is_refused(port: str) -> None:
    with pytest.raises(SettingsError, match="PORT is not a port number"):
        Settings.read({"PORT": port})


@pytest.mark.parametrize("workers", ["-1", "33", "two", "٣", "9" * 5_000])
def test_what_is_no_number_of_workers_is_refused(workers: str) -> None:
    with pytest.raises(SettingsError, match="RAPHUS_WORKERS is not a number from 0 to 32"):
        Settings.read({"RAPHUS_WORKERS": workers})


def test_only_a_postgresql_url_names_a_database() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL") as refused:
        Settings.read({"DATABASE_URL": "mysql://user:hidden@host/db"})
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("key", ["short", KEY + " and more", KEY + "é"])
def test_a_key_that_is_easily_guessed_or_cannot_be_sent_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match="RAPHUS_API_KEY"):
        Settings.read({"RAPHUS_API_KEY": key})


def test_without_a_secret_it_is_told_which_variable_is_missing() -> None:
    with pytest.raises(SettingsError, match="DODO_PAYMENTS_WEBHOOK_KEY is not set"):
        Settings.read({}).verifier()


@pytest.mark.parametrize(
    "bad", ["whsec_", "whsec_not*base64", "hunter2hunter2!", f"{SECRET},", f",{SECRET}", "whsec_A"]
)
def test_what_is_not_a_secret_is_refused_without_being_quoted(bad: str) -> None:
    settings = Settings.read({"DODO_PAYMENTS_WEBHOOK_KEY": bad})
    with pytest.raises(SettingsError, match=r"^DODO_PAYMENTS_WEBHOOK_KEY: secret \d") as refused:
        settings.verifier()
    assert "hunter2" not in str(refused.value)
    assert "not*base64" not in str(refused.value)


def test_too_many_secrets_are_refused() -> None:
    settings = Settings.read({"DODO_PAYMENTS_WEBHOOK_KEY": ",".join([SECRET] * 9)})
    with pytest.raises(SettingsError, match="between 1 and 8"):
        settings.verifier()


def test_secrets_do_not_show_in_a_repr() -> None:
    settings = Settings.read(
        {
            "DODO_PAYMENTS_WEBHOOK_KEY": SECRET,
            "RAPHUS_API_KEY": KEY,
            "DATABASE_URL": "postgresql://user:hidden@host/db",
            "WINDMILL_TOKEN": "hidden",
        }
    )
    assert not any(part in repr(settings) for part in (SECRET, KEY, "hidden"))


def test_windmill_is_found_where_it_is_said_to_be(tmp_path: Path) -> None:
    windmill = Settings.read(
        {
            "WINDMILL_BASE_URL": "https://windmill.example:8443/under/",
            "WINDMILL_WORKSPACE": "my-shop",
            "WINDMILL_TOKEN": "token",
            "WINDMILL_ROUTES": str(tmp_path / "routes.toml"),
        }
    ).windmill
    assert (windmill.base_url, windmill.workspace, windmill.token) == (
        "https://windmill.example:8443/under/",
        "my-shop",
        "token",
    )
    assert (windmill.routes, windmill.routes_named) == (tmp_path / "routes.toml", True)


def test_routes_are_used_where_there_are_some_or_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.read({}).windmill.routes == tmp_path / "routes.toml"
    assert not Settings.read({}).windmill.used
    named = Settings.read({"WINDMILL_ROUTES": "routes.toml"}).windmill
    assert named.used
    file = named.routes_file()
    assert list(file.current()) == []
    assert file.problem == "routes.toml: there is no such file"
    (tmp_path / "routes.toml").write_text("")
    assert Settings.read({}).windmill.used


@pytest.mark.parametrize("name", ["RAPHUS_ROUTES", "WINDMILL_ROUTES"])
def test_the_file_of_routes_may_be_called_as_it_was(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.read({name: "ours.toml"}).windmill.routes == tmp_path / "ours.toml"
    (tmp_path / "windmill.toml").write_text("")
    assert Settings.read({}).windmill.routes == tmp_path / "windmill.toml"
    (tmp_path / "routes.toml").write_text("")
    assert Settings.read({name: "ours.toml"}).windmill.routes == tmp_path / "ours.toml"
    with pytest.raises(SettingsError, match=r"routes\.toml and windmill\.toml are both there"):
        Settings.read({})
    with pytest.raises(SettingsError, match="are both set: choose one of them"):
        Settings.read({"RAPHUS_ROUTES": "a", "WINDMILL_ROUTES": "b"})


@pytest.mark.parametrize(
    "url",
    [
        "windmill.example",
        "ftp://windmill.example",
        "https://",
        "https://:8000",
        "https://host:http",
        "https://host:0",
        "https://[::1",
        "https://user:hidden@host",
        "https://host/api/w/shop/jobs/run/p/f/raphus/x?token=hidden",
        "https://host/?token=hidden",
        "https://host/#hidden",
        "https://host/api",
        "https://host/a b",
        "https://höst",
    ],
)
def test_what_is_not_the_address_of_a_windmill_is_refused_unquoted(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^WINDMILL_BASE_URL is not the address") as refused:
        Settings.read({"WINDMILL_BASE_URL": url})
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("workspace", ["my shop", "a/b", "é", "x" * 65])
def test_what_is_not_a_workspace_is_refused(workspace: str) -> None:
    with pytest.raises(SettingsError, match="WINDMILL_WORKSPACE"):
        Settings.read({"WINDMILL_WORKSPACE": workspace})


@pytest.mark.parametrize("token", ["two words", "x\ny", "é", "x" * 1_001])
def test_a_token_that_cannot_be_sent_is_refused_unquoted(token: str) -> None:
    with pytest.raises(SettingsError, match="WINDMILL_TOKEN") as refused:
        Settings.read({"WINDMILL_TOKEN": token})
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", EXTERNAL_ID_KEYS),
        ("  ", EXTERNAL_ID_KEYS),
        ("account_id", ("account_id",)),
        (" account_id , user-id,account_id", ("account_id", "user-id")),
    ],
)
def test_the_keys_of_the_merchants_id_are_tried_in_their_order(
    text: str, keys: tuple[str, ...]
) -> None:
    assert Settings.read({"RAPHUS_EXTERNAL_ID": text}).external_id_keys == keys


@pytest.mark.parametrize(
    "text", [",", "a,", "a,,b", "x" * 101, "a\nb", ",".join("abcdefghijklmnopqrstu")]
)
def test_what_is_no_list_of_keys_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^RAPHUS_EXTERNAL_ID is not a list of 1 to 20 keys"):
        Settings.read({"RAPHUS_EXTERNAL_ID": text})


OF_DODO = {"DODO_PAYMENTS_API_KEY": "key-of-dodo", "DODO_PAYMENTS_ENVIRONMENT": "test_mode"}


def test_dodo_is_asked_with_the_key_in_the_mode_that_is_named(tmp_path: Path) -> None:
    settings = Settings.read({**OF_DODO, "RAPHUS_DODO_REQUESTS_PER_MINUTE": "900"})
    asked = settings.asked_of_dodo()
    assert (asked.api_key, asked.mode, asked.requests_per_minute) == (
        "key-of-dodo",
        "test_mode",
        900,
    )
    assert asked.base_url is None
    assert "key-of-dodo" not in repr(settings)
    assert "DODO_PAYMENTS_API_KEY" not in without_secrets({**OF_DODO, "PATH": "/bin"})
    path = tmp_path / "key"
    path.write_text("key-of-dodo\n")
    in_file = {"DODO_PAYMENTS_API_KEY_FILE": str(path), "DODO_PAYMENTS_ENVIRONMENT": "test_mode"}
    assert Settings.read(in_file) == Settings.read(OF_DODO)


def test_without_a_key_dodo_is_not_asked_and_it_is_told_where_one_comes_from() -> None:
    settings = Settings.read({"DODO_PAYMENTS_ENVIRONMENT": "live"})
    assert settings.dodo is None
    with pytest.raises(SettingsError, match="DODO_PAYMENTS_API_KEY is not set"):
        settings.asked_of_dodo()


@pytest.mark.parametrize("mode", ["", "live", "LIVE_MODE", "test"])
def test_the_mode_of_a_key_is_never_guessed(mode: str) -> None:
    with pytest.raises(SettingsError, match="neither test_mode nor live_mode") as caught:
        Settings.read({**OF_DODO, "DODO_PAYMENTS_ENVIRONMENT": mode})
    assert "key-of-dodo" not in str(caught.value)


@pytest.mark.parametrize("key", ["a key", "schl\u00fcssel", "a\nkey"])
def test_a_key_of_dodo_that_cannot_be_sent_is_refused_unquoted(key: str) -> None:
    with pytest.raises(SettingsError, match="visible ASCII") as caught:
        Settings.read({**OF_DODO, "DODO_PAYMENTS_API_KEY": key})
    assert key not in str(caught.value)


@pytest.mark.parametrize("text", ["0", "-1", "5001", "1e3", "many", "9" * 5000])
def test_what_is_no_number_of_requests_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="from 1 to 5000; Dodo allows a new business 240"):
        Settings.read({**OF_DODO, "RAPHUS_DODO_REQUESTS_PER_MINUTE": text})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8100", "http://[::1]:1", "https://dodo.test/"])
def test_the_key_may_be_sent_to_another_address_where_nobody_between_reads_it(url: str) -> None:
    assert Settings.read({**OF_DODO, "DODO_PAYMENTS_BASE_URL": url}).asked_of_dodo().base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://dodo.test",
        "http://127.0.0.1.dodo.test",
        "ftp://127.0.0.1",
        "https://u:p@dodo.test",
        "https://dodo.test/v1",
        "https://dodo.test?x=y",
        "dodo.test",
    ],
)
def test_the_key_is_sent_nowhere_else(url: str) -> None:
    with pytest.raises(SettingsError, match="the key would be sent there") as caught:
        Settings.read({**OF_DODO, "DODO_PAYMENTS_BASE_URL": url})
    assert url not in str(caught.value)
