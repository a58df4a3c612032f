"""One try of a notification: what is sent, and what a server's answer makes of it."""

import asyncio
import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tasks.notifications.outcome import Outcome, OutcomeKind
from tests.integration.notifying import BODY, DONE, NEW, OLD, OTHER, client, post, post_once, reason
from tests.shop import Shop, Visit, always, answer


def verifying(secret: str) -> Callable[[Visit], None]:
    """Return a script that answers 204 to what is signed by a secret, and 401 to the rest."""

    def script(visit: Visit) -> None:
        while True:
            asked = visit.request()
            try:
                Webhook(secret).verify(asked.body, asked.headers)
            except WebhookVerificationError as error:
                visit.send(answer(401, str(error).encode()))
            else:
                visit.send(answer(204))

    return script


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_a_server_with_either_secret_of_a_rotation_is_content(secret: str) -> None:
    with Shop(verifying(secret)) as shop:
        outcome = post_once(shop.url, secrets=[NEW, OLD])
    assert outcome == Outcome(OutcomeKind.DONE, 204)
    (asked,) = shop.asked
    assert asked.line == "POST /hook HTTP/1.1"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["webhook-id"] == "msg_0"
    assert asked.body == BODY


def test_a_wrong_secret_is_refused_and_the_setting_named() -> None:
    with Shop(verifying(OTHER)) as shop:
        outcome = post_once(shop.url)
    assert (outcome.kind, outcome.status) == (OutcomeKind.REFUSED, 401)
    assert "NOTIFY_SECRET" in reason(outcome)
    assert "No matching signature found" in reason(outcome)


def test_each_try_has_its_own_time() -> None:
    with Shop(always(answer(500))) as shop:
        before = int(time.time())
        post(shop.url, times=2)
    assert all(before <= int(each.headers["webhook-timestamp"]) <= time.time() for each in shop.asked)


def test_what_a_server_quotes_of_the_request_shows_no_secret() -> None:
    def quoting(visit: Visit) -> None:
        asked = visit.request()
        quoted = [asked.line, *asked.headers.values(), OLD, "user:top%20secret", "top secret"]
        visit.send(answer(500, "\n".join(quoted).encode()))

    with Shop(quoting) as shop:
        url = shop.url.replace("://", "://user:top%20secret@") + "?token=hidden&v=1"
        said = reason(post_once(url))
    assert shop.asked[0].line == "POST /hook?token=hidden&v=1 HTTP/1.1"
    credentials = base64.b64encode(b"user:top secret").decode()
    assert shop.asked[0].headers["authorization"] == f"Basic {credentials}"
    for secret in (OLD, OLD[6:], "token", "hidden", "v=1", "top", credentials):
        assert secret not in said, said


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status: int) -> None:
    with Shop(always(answer())) as target:
        leading = always(answer(status, location=f"{target.url}?token=hidden"))
        with Shop(leading) as shop:
            outcome = post_once(shop.url)
        assert (outcome.kind, outcome.status) == (OutcomeKind.REFUSED, status)
        assert "leads to http://127.0.0.1; " in reason(outcome)
        assert "hidden" not in reason(outcome)
    assert target.connections == 0


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (answer(299), OutcomeKind.DONE),
        (answer(410), OutcomeKind.GONE),
        (answer(408), OutcomeKind.REFUSED),
        (answer(500), OutcomeKind.TRANSIENT),
        (answer(999), OutcomeKind.TRANSIENT),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + answer(200), OutcomeKind.DONE),
        (b"HTTP/1.0 200 OK\r\n\r\nold", OutcomeKind.DONE),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", OutcomeKind.DONE),
    ],
)
def test_the_status_decides(said: bytes, kind: OutcomeKind) -> None:
    def script(visit: Visit) -> None:
        visit.request()
        visit.send(said)

    with Shop(script) as shop:
        outcome = post_once(shop.url)
    assert outcome.kind is kind, outcome
    assert outcome.status is not None


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_may_ask_to_wait_in_seconds_or_until_a_date(status: int) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True)
    with Shop(always(answer(status, Retry_After="90"), answer(status, Retry_After=later))) as shop:
        first, second = post(shop.url, times=2)
    assert first.kind is second.kind is OutcomeKind.TRANSIENT
    assert first.retry_after == 90
    assert second.retry_after is not None
    assert 1790 < second.retry_after <= 1800


def test_what_a_server_says_becomes_one_clean_short_line() -> None:
    with Shop(always(answer(500, b"\x1b[2J<html>\r\n  \xe2\x80\xaeoh\0" + b"x" * 9000))) as shop:
        said = reason(post_once(shop.url))
    assert said.startswith("500 Internal Server Error: [2J<html> ohxxx")
    assert len(said.encode()) <= 2048


def test_nothing_is_kept_of_a_server_s_cookies() -> None:
    with Shop(always(answer(set_cookie="a=b"))) as shop:
        assert post(shop.url, times=2) == [DONE, DONE]
    assert "cookie" not in shop.asked[1].headers


def test_the_environment_s_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Shop(always(answer())) as shop, Shop(always(answer())) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post_once(shop.url) == DONE
    assert (shop.connections, proxy.connections) == (1, 0)


@pytest.mark.parametrize(("message_id", "body"), [("msg\n1", BODY), ("msg_1", b"\xff")])
def test_what_nobody_foresaw_is_an_outcome_too(message_id: str, body: bytes) -> None:
    async def scenario(url: str) -> None:
        async with client(url) as posting:
            outcome = await posting.post(message_id, body)
            assert outcome.kind is OutcomeKind.TRANSIENT
            assert reason(outcome).startswith("unforeseen ")
            assert await posting.post("msg_1", BODY) == DONE

    with Shop(always(answer())) as shop:
        asyncio.run(scenario(shop.url))
