"""What an outage of the broker or the death of a worker does to events."""

import time
import uuid
from pathlib import Path

import pytest

from tests.services import Server, postgres_database, rabbitmq, redis
from tests.stack import Stack
from tests.waiting import wait_until


@pytest.mark.parametrize("name", ["RabbitMQ", "Redis"])
def test_a_stopped_broker_means_503_and_its_return_200(tmp_path: Path, name: str) -> None:
    with (rabbitmq if name == "RabbitMQ" else redis)(tmp_path) as broker, postgres_database() as database:
        scheme = "amqp://guest:guest@" if name == "RabbitMQ" else "redis://"
        environment = {"BROKER_URL": f"{scheme}127.0.0.1:{broker.port}", "DATABASE_URL": database}
        with Stack(tmp_path, environment) as stack:
            stack.release()
            stack.start("web", "worker")
            _survive(stack, broker)


def _survive(stack: Stack, broker: Server) -> None:
    def send(wallet: str, status: str) -> float:
        began = time.monotonic()
        sent = stack.trigger(
            "Settled", "--item", "sword", "--wallet", wallet, exit_code=0 if status == "200" else 1
        )
        assert sent["answers"] == {status: 1}
        return time.monotonic() - began

    send("before", "200")
    wait_until(lambda: stack.wallet("before"), seconds=20, what="the wallet holds a sword")
    broker.stop()
    for _ in range(3):
        assert send("during", "503") < 5
    assert stack.get("/readyz") == 503
    assert stack.get("/healthz") == 200
    broker.start()
    send("after", "200")
    wait_until(
        lambda: stack.wallet("after"), seconds=30, what=f"a sword after the outage\n{stack.log('worker')}"
    )
    assert stack.wallet("during") == []
    assert stack.get("/readyz") == 200


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    """500 payments on the embedded broker, whose worker is killed again and again while they come in."""
    wallets = [f"wallet-{uuid.uuid4().hex[:8]}" for _ in range(10)]
    with Stack(tmp_path, {}) as stack:
        stack.release()
        stack.start("web", "worker")
        for number in range(500):
            sent = stack.trigger("Settled", "--item", "sword", "--wallet", wallets[number % len(wallets)])
            assert sent["answers"] == {"200": 1}
            if number % 100 == 50:
                stack.kill("worker")
            if number % 100 == 80:
                stack.start("worker")
        wait_until(
            lambda: sum(len(stack.wallet(wallet)) for wallet in wallets) >= 500,
            seconds=60,
            what=f"500 grants\n{stack.log('worker')}",
        )
        grants = [grant for wallet in wallets for grant in stack.wallet(wallet)]
        assert len({grant["payment_id"] for grant in grants}) == len(grants) == 500
