"""What Prometheus reads of the running product, while all is well and while something is away."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.acceptance.purchases import buy, granted
from tests.acceptance.servers import COMBINATIONS, Serve
from tests.metrics import Scrape
from tests.services import free_port, postgres
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long

SWEEP = "from tasks.celery import app; app.send_task('tasks.recovery.resend_unfinished')"
READ = ("events", "fulfilment", "handlers", "recovery")
NAME = "resend-unfinished"
MISMATCH = ("fulfilment", "PriceMismatch")


def answer(stack: Stack, port: int | None = None) -> tuple[int, str]:
    """Return the status and the text that `metrics` answers, 0 for none."""
    try:
        url = f"http://127.0.0.1:{port or stack.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answered:
            return int(answered.status), answered.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def ask(stack: Stack) -> Scrape:
    status, text = answer(stack)
    assert status == 200, text
    return Scrape(text)


def answers(stack: Stack, expected: int, port: int | None = None) -> str:
    """Return what it says once it answers so."""

    def said() -> str:
        status, text = answer(stack, port)
        return text if status == expected else ""

    return wait_until(said, what=f"metrics answers {expected}", log=lambda: stack.log("metrics"))


def sweep_age(stack: Stack) -> float:
    age = ask(stack).get("sweep_age_seconds", sweep=NAME)
    assert age is not None
    return age


@pytest.mark.parametrize("servers", COMBINATIONS)
def test_counts_are_right_and_what_waits_shows_while_workers_are_stopped(
    tmp_path: Path, serve: Serve, servers: str
) -> None:
    with serve(servers, tmp_path) as environment, Stack(tmp_path, environment) as stack:
        stack.start_process("metrics")
        # Without the release there is nothing to count.
        assert "alembic upgrade head" in answers(stack, 503)
        stack.release()
        answers(stack, 200)
        stack.start("web", "worker")
        for wallet in ("alice", "bob"):
            buy(stack, wallet)
            granted(stack, wallet)
        buy(stack, "mallory", "--cents", "1")
        wait_until(
            lambda: ask(stack).all("failures_total", "handler", "error") == {MISMATCH: 1},
            what="the refusal is counted",
        )
        found = ask(stack)
        assert found.all("events_received_total", "event_type") == {"Settled": 3}
        assert found.get("grants_total") == found.get("grant_delay_seconds_count") == 2
        assert found.all("ledger_entries_total", "status") == {"granted": 2}
        consumers = dict.fromkeys(READ, 1) | {"notifications": 0}
        # Redis does not tell.
        assert found.all("queue_consumers", "queue") == ({} if servers.startswith("Redis") else consumers)
        stack.shell(f'python -c "{SWEEP}"')
        wait_until(lambda: sweep_age(stack) < 60, what="a sweep is handled")

        stack.kill("worker")
        for _ in range(3):
            buy(stack, "carol")
        found, before = ask(stack), sweep_age(stack)
        assert found.get("queue_messages", queue="events") == 3
        wait_until(lambda: sweep_age(stack) > before + 2, what="the sweep's age rises")
        wait_until(
            lambda: set(ask(stack).all("queue_consumers", "queue").values()) <= {0},
            what="nobody reads the queues",
        )
        stack.start_process("worker")
        granted(stack, "carol")
        wait_until(lambda: ask(stack).get("grants_total") == 5, what="all is counted")
        assert ask(stack).get("queue_messages", queue="events") == 0


def test_while_the_database_is_down_the_answer_is_an_error_and_right_again_afterwards(tmp_path: Path) -> None:
    with postgres() as server:
        url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        with Stack(tmp_path, {"DATABASE_URL": url}) as stack:
            stack.release()
            stack.start("web", "worker", "metrics")
            buy(stack, "alice")
            granted(stack, "alice")
            answers(stack, 200)
            server.stop()
            assert answers(stack, 503).startswith("OperationalError: ")
            server.start()
            answers(stack, 200)
            buy(stack, "bob")
            granted(stack, "bob")
            assert ask(stack).get("grants_total") == 2
            assert "Traceback" not in stack.log("metrics")


def test_while_the_broker_is_away_the_answer_is_an_error(tmp_path: Path) -> None:
    nobody = f"amqp://guest:hidden@127.0.0.1:{free_port()}//"
    with Stack(tmp_path, {"BROKER_URL": nobody}) as stack:
        stack.release()
        stack.start_process("metrics")
        said = answers(stack, 503)
        assert said.startswith("BrokerSilent: ")
        assert "refused" in said
        assert "hidden" not in said + stack.log("metrics")
