"""The request that carries a notification."""

import base64
import json
import tomllib
from datetime import UTC, datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from tasks.notifications.request import USER_AGENT, Request, RequestForm, secrets_of
from tests.stack import ROOT

OLD = "whsec_" + base64.b64encode(b"o" * 24).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"x" * 24).decode()
URL = httpx2.URL("https://user:pass%20word@shop.example:8443/coin flow?token=top/secret&v=1")


def headers(request: Request) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in request.headers}


@given(st.dictionaries(st.text(), st.text()))
def test_every_secret_of_a_rotation_verifies_and_no_other(told: dict[str, str]) -> None:
    body = json.dumps(told, ensure_ascii=False).encode()
    request = RequestForm(URL, [OLD, NEW]).fill("msg_1", body, datetime.now(UTC))
    assert request.body == body
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(request.body, headers(request)) == told
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(request.body, headers(request))


def test_a_request_tells_the_server_what_it_needs() -> None:
    now = datetime(2026, 11, 26, 7, 0, 0, 999_999, tzinfo=UTC)
    request = RequestForm(URL, [OLD]).fill("msg_1", b"{}", now)
    assert request.target == b"/coin%20flow?token=top/secret&v=1"
    sent = headers(request)
    assert sent.pop("webhook-signature").startswith("v1,")
    assert sent == {
        "host": "shop.example:8443",
        "user-agent": USER_AGENT,
        "content-type": "application/json",
        "content-length": "2",
        "accept-encoding": "identity",
        "authorization": "Basic " + base64.b64encode(b"user:pass word").decode(),
        "webhook-id": "msg_1",
        "webhook-timestamp": "1795676400",
    }


def test_a_request_takes_its_spans_context_along_if_there_is_one() -> None:
    form = RequestForm(URL, [OLD])
    context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = form.fill("msg_1", b"{}", datetime.now(UTC), traceparent=context)
    assert headers(sent)["traceparent"] == context
    assert "traceparent" not in headers(form.fill("msg_1", b"{}", datetime.now(UTC)))


def test_a_url_without_a_user_sends_none() -> None:
    request = RequestForm(httpx2.URL("https://shop.example"), [OLD]).fill("msg_1", b"{}", datetime.now(UTC))
    assert request.target == b"/"
    assert "authorization" not in headers(request)


def test_the_user_agent_names_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"{project['name']}/{project['version']}" == USER_AGENT


def test_what_no_message_may_quote_begins_with_the_longest() -> None:
    hidden = secrets_of(URL, [OLD])
    assert {"user:pass%20word", "pass word", "token=top/secret&v=1", "top/secret", OLD, OLD[6:]} <= {*hidden}
    assert hidden == sorted(hidden, key=len, reverse=True)
    # They would be hidden wherever somebody says "user", or 1.
    assert not {"user", "1"} & {*hidden}
    assert secrets_of(httpx2.URL("https://shop.example/"), []) == []
