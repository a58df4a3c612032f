"""Flower shows the tasks that ran, nothing of what the events hold, and lets nobody do anything."""

import json
import re
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import urlencode

import click
import pytest
from flower import urls
from tornado.routing import URLSpec

from celeryconfig import INTAKE_TASK
from tasks.coinflow.samples import sample, with_identity
from tests.acceptance.purchases import buy, granted
from tests.acceptance.servers import COMBINATIONS
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long


@pytest.fixture
def flower_tasks(stack: Stack) -> Any:
    stack.environment["FLOWER_UNAUTHENTICATED_API"] = "true"
    stack.start("flower")

    def tasks() -> list[dict[str, Any]]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{stack.flower_port}/api/tasks", timeout=5
            ) as answer:
                return list(json.load(answer).values())
        except OSError:
            return []

    yield tasks
    stack.kill("flower")
    del stack.environment["FLOWER_UNAUTHENTICATED_API"]


def test_flower_shows_tasks_by_speaking_names_without_payloads(stack: Stack, flower_tasks: Any) -> None:
    def succeeded() -> list[dict[str, Any]]:
        # Flower takes a moment until it listens to events, so the payment comes until it is seen whole.
        buy(stack, "seen-in-flower")
        return [task for task in flower_tasks() if task["state"] == "SUCCESS" and task["received"]]

    (task, *_) = wait_until(succeeded, what="Flower shows the task", log=lambda: stack.log("flower"))
    assert task["name"] == "tasks.intake.store_events"
    # Messages that waited together have run together.
    assert re.fullmatch(r"<1 events>|<\d items of \d messages>", task["args"])
    assert task["received"] <= task["started"] <= task["succeeded"]
    assert task["runtime"] > 0
    assert "seen-in-flower" not in json.dumps(flower_tasks())
    # In the one form that all processes have.
    said = click.unstyle(stack.log("flower")).splitlines()
    assert [each for each in said if not each.startswith("20")] == []


@pytest.mark.usefixtures("flower_tasks")
def test_flower_shows_what_waits_in_the_queues(stack: Stack) -> None:
    def read() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{stack.flower_port}/broker", timeout=20) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    page = wait_until(read, what="Flower's page of the broker", log=lambda: stack.log("flower"))
    for name in ("events", "fulfilment", "handlers", "recovery", "dead-letters"):
        assert f"<td>{name}</td>" in page
    assert "No queue data" not in page


def test_flower_shows_a_refused_payment_as_such(stack: Stack, flower_tasks: Any) -> None:
    def refused() -> list[str]:
        # Flower takes a moment until it listens to events.
        payment_id = buy(stack, "mallory", "--cents", "1")
        results = [each["result"] or "" for each in flower_tasks()]
        bought.append(f"refused {payment_id}: PriceMismatch")
        return [each for each in bought if any(each in result for result in results)]

    bought: list[str] = []

    wait_until(refused, what="the task's result names it", log=lambda: stack.log("flower"))


def test_a_worker_answers_remote_control(stack: Stack) -> None:
    def answers() -> bool:
        return "pong" in stack.shell("celery -A tasks inspect ping || :")

    # The worker may still be starting.
    wait_until(answers, what="a pong", log=lambda: stack.log("worker"))


@pytest.mark.parametrize("stack", COMBINATIONS[:1], indirect=True)
def test_a_second_worker_of_a_machine_answers_by_a_name_of_its_own(stack: Stack) -> None:
    stack.start_process("worker", "-n worker2@%h", known_as="worker2")
    try:
        wait_until(
            lambda: "2 nodes online" in stack.shell("celery -A tasks inspect ping || :"),
            what="both answer",
            log=lambda: stack.log("worker2"),
        )
    finally:
        stack.kill("worker2")


@dataclass
class Flower:
    """Flower with a password, by which every request is made."""

    stack: Stack

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Return the status and the body of an answer, 0 for none."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.stack.flower_port}{path}", method=method, data=body
        )
        request.add_header("Authorization", f"Basic {b64encode(b'user:password').decode()}")
        for name, value in headers.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert "Access-Control-Allow-Origin" not in answer.headers
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def workers(self) -> dict[str, Any]:
        """Return what may be done to workers by remote control, as they report it."""
        status, body = self.ask("/api/workers?refresh=true")
        return {
            name: (
                sorted(queue["name"] for queue in worker["active_queues"]),
                worker["stats"]["pool"]["max-concurrency"],
                worker["stats"]["pool"]["processes"],
                worker["stats"]["pool"]["timeouts"],
            )
            for name, worker in (json.loads(body) if status == 200 else {}).items()
            if {"stats", "active_queues"} <= set(worker)
        }


@pytest.fixture(scope="module")
def flower(stacks: Callable[[str], Stack]) -> Iterator[Flower]:
    stack = stacks("RabbitMQ and PostgreSQL")
    # What the Procfile says is stronger than the environment.
    given = {
        "FLOWER_BASIC_AUTH": "user:password",
        "FLOWER_HOSTS": "Flower.example",
        "FLOWER_READ_ONLY": "false",
    }
    stack.environment.update(given)
    stack.start("flower")
    flower = Flower(stack)
    wait_until(flower.workers, what="Flower knows the worker", log=lambda: stack.log("flower"))
    yield flower
    stack.kill("flower")
    for name in given:
        del stack.environment[name]


def routes() -> list[str]:
    """Return the paths of Flower's own table, `{}` in place of what a path names."""
    patterns = [each.regex.pattern if isinstance(each, URLSpec) else each[0] for each in urls.handlers]
    paths = [re.sub(r"\(?\.[*+]\)?", "{}", pattern.rstrip("$?")) for pattern in patterns]
    return [path if path.startswith("/") else f"/{path}" for path in paths]


#: What the calls take, each as far as it has a use for it.
ARGUMENTS = {
    "n": 1,
    "min": 1,
    "max": 1,
    "soft": 1,
    "hard": 1,
    "ratelimit": "1/h",
    "queue": "events",
    "terminate": "true",
    "signal": "SIGKILL",
}


def test_no_call_does_anything(flower: Flower) -> None:
    before = flower.workers()
    (worker,) = before
    forged = sample("Settled")
    with_identity(forged, payment_id="forged", wallet="minted", item="sword", cents=500)
    event = {"body": json.dumps(forged), "received_at": "2026-11-25T00:00:00+00:00"}
    body = json.dumps({"args": [[event]], "timeout": 1}).encode()
    query = urlencode(ARGUMENTS | {"workername": worker})
    answers = {
        (method, route.format(named)): flower.ask(f"{route.format(named)}?{query}", method, body)[0]
        for method, route, named in product(
            ("POST", "PUT", "DELETE", "PATCH"), routes(), (worker, INTAKE_TASK, "0" * 32)
        )
    }
    assert ("POST", f"/api/worker/shutdown/{worker}") in answers
    assert ("POST", f"/api/task/send-task/{INTAKE_TASK}") in answers
    # A page's own question, without what it asks for.
    assert answers.pop(("POST", "/tasks/datatable")) == 400
    assert {call: status for call, status in answers.items() if status not in {403, 404, 405}} == {}
    assert flower.workers() == before
    buy(flower.stack, "after-the-calls")
    granted(flower.stack, "after-the-calls")
    assert flower.stack.wallet("minted") == []
    assert flower.stack.read("events", "list", "--payment-id", "forged") == []


def test_its_pages_work(flower: Flower) -> None:
    (worker,) = flower.workers()
    for page in ("/", "/workers", "/tasks", "/broker", f"/worker/{worker}"):
        status, body = flower.ask(page)
        assert status == 200, page
        assert "guest:guest" not in body, page
        # Where a refused payment shows.
        assert ('data-column="result"' in body) == (page == "/tasks"), page
    asked = {"draw": 1, "start": 0, "length": 10, "order[0][column]": 0, "columns[0][data]": "name"}
    status, table = flower.ask("/tasks/datatable", "POST", urlencode(asked).encode())
    assert status == 200
    assert set(json.loads(table)) >= {"data", "recordsTotal"}


def test_it_answers_to_its_own_names_alone(flower: Flower) -> None:
    port = flower.stack.flower_port
    for host in ("localhost", f"127.0.0.1:{port}", f"[::1]:{port}", "flower.example", "Flower.example:443"):
        assert flower.ask("/workers", Host=host)[0] == 200, host
    for host in ("evil.example", f"127.0.0.1.evil.example:{port}", "xflower.example", "10.0.0.1"):
        for path, method in (("/", "GET"), ("/api/workers", "GET"), ("/static/css/flower.css", "GET")):
            status, body = flower.ask(path, method, Host=host)
            assert (status, "FLOWER_HOSTS" in body) == (403, True), (host, path)


@pytest.mark.parametrize("header", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_no_other_sites_page_may_ask(flower: Flower, header: dict[str, str]) -> None:
    asked = urlencode({"draw": 1, "start": 0, "length": 10, "order[0][column]": 0})
    status, body = flower.ask("/tasks/datatable", "POST", asked.encode(), **header)
    assert status == 403
    assert "Cross-" in body
