"""Each row of the table of answers, through the whole application."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from falcon.testing import Result, TestClient
from structlog.testing import capture_logs

from receiver.app import create_app
from receiver.authentication import sign
from receiver.settings import Settings

KEY = "right-key"
PATH = "/webhooks/coinflow"
GOOD = (
    '{ "eventType":"Settled", "created":"2026-09-01T10:00:00.000Z","data":{"id":"p", "name":"Zoë \\u0000"}}'
)


class Broker:
    def __init__(self) -> None:
        self.events: list[str] = []
        self.error: Exception | None = None

    def publish(self, events: Sequence[dict[str, str]]) -> str:
        self.reach()
        self.events += [event["body"] for event in events]
        return "task"

    def reach(self) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def client(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", f"old-key, {KEY}")
    monkeypatch.setenv("MAX_BODY_BYTES", "2000")
    return TestClient(create_app(Settings.load(), broker))  # type: ignore[arg-type]  # a broker in all but name


def post(client: TestClient, body: str | bytes = GOOD, path: str = PATH, **headers: str) -> Result:
    return client.simulate_post(path, body=body, headers=headers or {"Authorization": KEY})


def explained(answer: Result) -> bool:
    document = answer.json
    return set(document) == {"title", "description"} and all(document.values())


def test_a_good_delivery_is_handed_over_as_it_came(client: TestClient, broker: Broker) -> None:
    answer = post(client)
    assert (answer.status_code, answer.json) == (200, {"success": True})
    assert broker.events == [GOOD]


def test_a_signature_alone_is_enough(client: TestClient, broker: Broker) -> None:
    signature = sign(KEY.encode(), GOOD.encode(), int(time.time()))
    assert post(client, **{"Coinflow-Signature": signature}).status_code == 200
    assert broker.events == [GOOD]


def test_an_unknown_event_type_is_taken(client: TestClient, broker: Broker) -> None:
    packet = {**json.loads(GOOD), "eventType": "Some Future Event", "further": []}
    assert post(client, json.dumps(packet)).status_code == 200
    assert len(broker.events) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "nothing"},
        {"Authorization": "wrong"},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": KEY, "Coinflow-Signature": "t=1,v1=" + "0" * 64},
        {"Coinflow-Signature": "nonsense"},
        {"Coinflow-Signature": sign(KEY.encode(), GOOD.encode(), 1)},
    ],
)
def test_what_is_not_authentic_is_refused_and_not_published(
    client: TestClient, broker: Broker, headers: dict[str, str]
) -> None:
    answer = post(client, **headers)
    assert answer.status_code == 401
    assert explained(answer)
    assert broker.events == []


@pytest.mark.parametrize("body", ["", "x", "[]", "null", '{"eventType": "Settled"}', b"\xff"])
def test_what_is_no_event_is_explained(client: TestClient, broker: Broker, body: str | bytes) -> None:
    answer = post(client, body)
    assert answer.status_code == 400
    assert explained(answer)
    assert broker.events == []


def test_authentication_comes_before_the_content(client: TestClient) -> None:
    assert post(client, "nonsense", Authorization="wrong").status_code == 401


@pytest.mark.parametrize("length", [2000, 2001, 10**6])
def test_a_body_over_the_limit_is_refused(client: TestClient, broker: Broker, length: int) -> None:
    body = GOOD.encode().ljust(length)
    answer = post(client, body)
    assert answer.status_code == (200 if length <= 2000 else 413)
    assert length <= 2000 or explained(answer)
    assert len(broker.events) == (length <= 2000)


def test_without_the_brokers_confirm_there_is_never_a_200(client: TestClient, broker: Broker) -> None:
    broker.error = ConnectionRefusedError("amqp://user:secret@host")
    answer = post(client)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert explained(answer)
    assert "secret" not in answer.text


def test_the_brokers_return_needs_no_restart(client: TestClient, broker: Broker) -> None:
    answers: list[int] = []

    async def scenario() -> None:
        # Between two simulated requests of its own the client would end the application's life.
        async with client as conductor:
            for error in (ConnectionRefusedError(), None):
                broker.error = error
                answer = await conductor.simulate_post(PATH, body=GOOD, headers={"Authorization": KEY})
                answers.append(answer.status_code)

    asyncio.run(scenario())
    assert answers == [503, 200]


def test_health_tells_process_and_broker_apart(client: TestClient, broker: Broker) -> None:
    assert client.simulate_get("/readyz").status_code == 200
    broker.error = ConnectionRefusedError()
    assert client.simulate_get("/healthz").status_code == 200


def test_not_ready_while_the_broker_is_away(client: TestClient, broker: Broker) -> None:
    broker.error = ConnectionRefusedError()
    answer = client.simulate_get("/readyz")
    assert answer.status_code == 503
    assert explained(answer)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", PATH, 405), ("POST", "/elsewhere", 404)])
def test_other_requests_get_the_same_shape(client: TestClient, method: str, path: str, status: int) -> None:
    answer: Any = client.simulate_request(method, path, headers={"Accept": "text/html"})
    assert answer.status_code == status
    assert explained(answer)


STALE = sign(KEY.encode(), GOOD.encode(), 1)
OF_ANOTHER = sign(b"another", GOOD.encode(), int(time.time()))


@pytest.mark.parametrize(
    ("status", "reason", "body", "headers"),
    [
        (401, "no_credential", GOOD, {"X": "nothing"}),
        (401, "wrong_key", GOOD, {"Authorization": "wrong"}),
        (401, "signature_malformed", GOOD, {"Coinflow-Signature": "nonsense"}),
        (401, "signature_wrong", GOOD, {"Coinflow-Signature": OF_ANOTHER}),
        (401, "signature_out_of_time", GOOD, {"Coinflow-Signature": STALE}),
        (400, "not_json", "x", {}),
        (400, "not_an_event", "[]", {}),
        (400, "not_an_event", '{"eventType": "Settled"}', {}),
        (413, "body_too_large", "x" * 2001, {}),
    ],
)
def test_a_refusal_is_counted_by_its_reason(
    client: TestClient, status: int, reason: str, body: str, headers: dict[str, str]
) -> None:
    assert counted(client, body=body, **headers) == ({status: 1}, {reason: 1})


def test_what_was_taken_in_is_counted(client: TestClient) -> None:
    assert counted(client) == ({200: 1}, {})


def test_what_the_broker_does_not_take_is_counted(client: TestClient, broker: Broker) -> None:
    broker.error = ConnectionRefusedError()
    assert counted(client) == ({503: 1}, {"broker_away": 1})


def test_what_falcon_refuses_is_counted(client: TestClient) -> None:
    assert counted(client, path="/elsewhere") == ({404: 1}, {"not_found": 1})


def test_health_checks_are_not_counted(client: TestClient, broker: Broker) -> None:
    broker.error = ConnectionRefusedError()
    with capture_logs() as lines:
        assert [client.simulate_get(path).status_code for path in ("/healthz", "/readyz")] == [200, 503]
    assert lines == []


def counted(client: TestClient, **request: Any) -> tuple[dict[int, int], dict[str, int]]:
    """Post, and return what the log counts when the application ends: answers, and refusals."""
    with capture_logs() as lines:
        post(client, **request)
    (line,) = (line for line in lines if line["event"] == "answers.counted")
    return line["answers"], line["refusals"]
