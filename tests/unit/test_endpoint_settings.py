"""The merchant's own servers, as the environment names them."""

import base64
import re

import pytest

from tasks.settings import Settings

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()


@pytest.fixture(autouse=True)
def _default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_URL", "https://game.example/hook")
    monkeypatch.setenv("NOTIFY_SECRET", SECRET)


def complaint(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        Settings.load()
    return str(stop.value)


def test_there_may_be_several_each_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_URL_CRM_2", "https://crm.example")
    monkeypatch.setenv("NOTIFY_SECRET_CRM_2", f"{SECRET}, {OTHER}")
    endpoints = Settings.load().endpoints
    assert sorted(endpoints) == ["crm_2", "default"]
    assert [secret.get_secret_value() for secret in endpoints["crm_2"].secrets] == [SECRET, OTHER]


def test_without_any_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_URL", "")
    monkeypatch.delenv("NOTIFY_SECRET")
    monkeypatch.setenv("ENDPOINTS", "somebody else's")
    assert Settings.load().endpoints == {}


def test_the_address_that_is_shown_tells_no_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_URL", "https://game.example:444/hook?token=hidden")
    shown = Settings.load().endpoints["default"].address
    assert re.fullmatch(r"https://game\.example:444/hook\?#[0-9a-f]{8}", shown)
    assert "hidden" not in repr(Settings.load())
    monkeypatch.setenv("NOTIFY_URL", "https://game.example:444/hook?token=other")
    assert Settings.load().endpoints["default"].address != shown


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NOTIFY_SECRET", ""),
        ("NOTIFY_SECRET", "secret"),
        ("NOTIFY_SECRET", "whsec_"),
        ("NOTIFY_SECRET", "whsec_n0t*base64"),
        ("NOTIFY_SECRET", f"{SECRET},whsec_!"),
        ("NOTIFY_URL", "game.example"),
        ("NOTIFY_URL", "ftp://game.example"),
        ("NOTIFY_URL", "https://"),
        ("NOTIFY_URL", "https://game.example:port"),
        ("NOTIFY_URL", "https://ada:hidden@game.example"),
        ("NOTIFY_URL_CRM", "https://crm.example"),
        ("NOTIFY_SECRET_CRM", SECRET),
        ("NOTIFY_CONCURRENCY", "0"),
        ("NOTIFY_GIVE_UP_DAYS", "0"),
        ("NOTIFY_GIVE_UP_DAYS", "inf"),
        ("NOTIFY_GIVE_UP_DAYS", "1e12"),
        ("NOTIFY_CA_FILE", "/nowhere.pem"),
        ("NOTIFY_CA_FILE", __file__),
        ("NOTIFY_URL", "https://game.example/\x01"),
    ],
)
def test_one_message_names_what_is_wrong(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    said = complaint(monkeypatch, **{variable: value})
    named = {"NOTIFY_URL_CRM": "NOTIFY_SECRET_CRM", "NOTIFY_SECRET_CRM": "NOTIFY_URL_CRM"}
    assert f"  {named.get(variable, variable)}: " in said
    assert "hidden" not in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "variable", ["NOTIFY_URL_MY-SHOP", "NOTIFY_URL_", "NOTIFY_SECRET_DEFAULT", "NOTIFY_URLS"]
)
def test_a_misspelt_name_is_told_of(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    assert f"{variable} names no endpoint" in complaint(monkeypatch, **{variable: "x"})


def test_names_in_lower_case_and_blanks_around_a_value_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("notify_url_shop", " https://shop.example/x ")
    monkeypatch.setenv("Notify_Secret_Shop", f" {SECRET} ")
    shop = Settings.load().endpoints["shop"]
    assert shop.url.get_secret_value() == "https://shop.example/x"


@pytest.mark.parametrize("host", ["localhost:8090", "127.0.0.1:8090", "[::1]:8090"])
def test_http_is_for_this_machine_in_development(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("NOTIFY_URL", f"http://{host}/hook")
    assert Settings.load().endpoints["default"].is_on_this_machine
    said = complaint(monkeypatch, ENVIRONMENT="production", ALLOW_EMBEDDED="true")
    assert "  NOTIFY_URL: the endpoint 'default' needs https://" in said


def test_and_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "needs https://" in complaint(monkeypatch, NOTIFY_URL="http://game.example")


def test_a_secret_that_can_be_guessed_is_for_development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SECRET", "whsec_c2hvcnQ")
    assert Settings.load().endpoints
    said = complaint(monkeypatch, ENVIRONMENT="production", ALLOW_EMBEDDED="true")
    assert "fewer than 24 bytes" in said
