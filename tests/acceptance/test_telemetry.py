"""What leaves for whoever collects spans and errors, and what never does: one purchase, told by all."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection

import pytest

from tasks.coinflow.samples import sample, with_identity
from tasks.sink.http import Answer, Request
from tests.collector import CollectedSpan, Collector
from tests.merchants import employ
from tests.notified_server import DONE, NotifiedServer
from tests.stack import KEY, Stack
from tests.waiting import PATIENCE, wait_until

PROCESSES = ("web", "worker", "notify")
#: A trace that the sender has begun, and its span.
SENDER = ("0af7" * 8, "b7ad" * 4)
PAYMENT = "pay-traced"
#: Deliveries that come all at once.
OTHERS = 8
BUYER, DIGITS = "alice@example.com", "4242-9"


@dataclass(frozen=True)
class Story:
    collector: Collector
    stack: Stack
    #: The headers of the notification.
    heard: Mapping[str, str]
    secret: str

    def span(self, name: str) -> CollectedSpan:
        """Return the first span of a name."""
        return next(span for span in self.collector.spans if span.name == name)


def deliver(stack: Stack, event_type: str, payment_id: str, **headers: str) -> None:
    packet = sample(event_type)
    with_identity(packet, payment_id=payment_id, wallet=BUYER)
    packet["data"]["last4"] = DIGITS
    headers["Authorization"] = KEY
    request = urllib.request.Request(stack.url, json.dumps(packet).encode(), headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert answer.status == 200


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    heard: list[Mapping[str, str]] = []

    async def note(request: Request) -> Answer:
        heard.append(request.headers)
        return DONE

    folder = tmp_path_factory.mktemp("telemetry")
    with Collector() as collector, NotifiedServer(note) as shop:
        environment = {
            **employ("tests.merchants.indiscreet"),
            "LOG_FORMAT": "json",
            "NOTIFY_SECRET": shop.secret,
            "NOTIFY_URL": shop.url,
            # Nothing leaves before the processes stop.
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "SENTRY_DSN": collector.dsn,
            "WEB_CONCURRENCY": "1",
            "WORKER_CONCURRENCY": "1",
        }
        with Stack(folder, environment) as stack:
            stack.release()
            stack.start(*PROCESSES)
            deliver(stack, "Settled", PAYMENT, traceparent=f"00-{SENDER[0]}-{SENDER[1]}-01")
            with ThreadPoolExecutor() as senders:
                others = [f"other-{number}" for number in range(OTHERS)]
                list(senders.map(partial(deliver, stack, "Reserve Released"), others))
            # It stays open, as Coinflow's do, so the receiver waits for it until it is killed.
            idle = HTTPConnection("127.0.0.1", stack.port, timeout=PATIENCE)
            idle.request("GET", "/healthz")
            idle.getresponse().read()
            wait_until(lambda: heard, what="the shop is told", log=lambda: stack.log("notify"))
            wait_until(lambda: collector.errors, what="an error is told", log=lambda: stack.log("worker"))
            wait_until(lambda: len(stack.read("events", "list")) > OTHERS, what="the others are stored")
            for name in PROCESSES:
                stack.processes[name].terminate()
            for name in PROCESSES:
                stack.processes[name].wait(PATIENCE)
            idle.close()
            yield Story(collector, stack, heard[0], shop.secret)


def test_a_delivery_goes_on_with_its_senders_trace(story: Story) -> None:
    span = story.span("delivery")
    assert (span.service, span.context[0], span.parent) == ("coinflow-receiver", *SENDER)
    assert span.attributes == {"coinflow.event_type": "Settled", "coinflow.payment_id": PAYMENT}
    assert not span.failure


def test_the_receiver_tells_what_it_has_counted(story: Story) -> None:
    assert story.collector.totals["coinflow.receiver.answers"] == {"200": OTHERS + 1}
    assert story.collector.totals["coinflow.receiver.events"] == {"": OTHERS + 1}


def test_the_run_of_a_group_refers_to_each_of_its_deliveries(story: Story) -> None:
    run = story.span("tasks.intake.store_events")
    assert run.service == "coinflow-worker"
    assert run.links == (story.span("delivery").context,)
    assert run.attributes.pop("coinflow.task_id")
    assert run.attributes == {"coinflow.events": 1, "coinflow.payment_ids": [PAYMENT]}
    runs = [span for span in story.collector.spans if span.name == run.name]
    assert sum(each.attributes["coinflow.events"] for each in runs) == 1 + OTHERS
    deliveries = {span.context for span in story.collector.spans if span.name == "delivery"}
    assert len(deliveries) == 1 + OTHERS
    assert {link for each in runs for link in each.links} == deliveries


def test_a_handlers_run_goes_on_with_the_groups_trace_and_tells_no_more_than_its_errors_name(
    story: Story,
) -> None:
    run, group = story.span("tasks.handlers.quote"), story.span("tasks.intake.store_events")
    assert (run.context[0], run.parent) == group.context
    assert (run.failure, run.events) == ("LookupError", 0)
    assert run.attributes["coinflow.payment_id"] == PAYMENT
    assert run.attributes["coinflow.event_type"] == "Settled"


def test_a_notification_takes_its_context_to_the_merchants_server(story: Story) -> None:
    span = story.span("notification")
    assert story.heard["traceparent"].split("-")[1:3] == [*span.context]
    assert span.attributes.pop("coinflow.attempt") >= 1
    # One search for the payment finds it beside the delivery.
    assert span.attributes == {
        "coinflow.endpoint": "default",
        "coinflow.payment_id": story.span("delivery").attributes["coinflow.payment_id"],
        "coinflow.version": 1,
    }


def test_a_line_of_the_log_names_its_trace(story: Story) -> None:
    lines = [json.loads(line) for line in story.stack.log("worker").splitlines() if line[:1] == "{"]
    (moved,) = [line for line in lines if line["event"] == "ledger.moved"]
    assert moved["trace_id"] == story.span("tasks.intake.store_events").context[0]


def test_the_receivers_line_of_a_group_names_the_trace_of_each_delivery(story: Story) -> None:
    lines = [json.loads(line) for line in story.stack.log("web").splitlines() if line[:1] == "{"]
    accepted = [line for line in lines if line["event"] == "deliveries.accepted"]
    named = [trace for line in accepted for trace in line["trace_ids"]]
    assert sorted(named) == sorted(
        span.context[0] for span in story.collector.spans if span.name == "delivery"
    )
    (first,) = [line for line in accepted if PAYMENT in line["payments"]]
    assert SENDER[0] in first["trace_ids"]
    assert len(first["trace_ids"]) == first["events"]


def test_an_unforeseen_error_is_told_by_its_name_and_its_place(story: Story) -> None:
    error, raised = next(
        (error, raised)
        for error in story.collector.errors
        for raised in error.get("exception", {}).get("values", ())
        if raised["type"] == "LookupError"
    )
    assert raised["stacktrace"]["frames"][-1]["function"] == "quote"
    assert "value" not in raised
    assert error["environment"] == "development"
    assert error["tags"]["task_id"] in story.stack.log("worker")


def test_nothing_leaves_that_a_buyer_or_a_key_is_known_by(story: Story) -> None:
    sent = b"\n".join(body for _, body in story.collector.received)
    assert PAYMENT.encode() in sent
    for never in (BUYER, DIGITS, KEY, story.secret, "rawCustomerId"):
        assert never.encode() not in sent
