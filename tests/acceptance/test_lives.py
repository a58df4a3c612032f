"""Lives of payments through HTTP, broker and workers: the wallets end as the lives say."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from tasks.settings import Settings
from tasks.store.schema import events, handler_runs
from tasks.store.states import RunState
from tests.engines import connected
from tests.life_check import check
from tests.lives import deliveries, live
from tests.services import SharedRabbitMQ, postgres_database
from tests.stack import KEY, Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long

SEED = 20260901


def test_500_lives_shuffled_with_copies_through_rabbitmq_and_four_processes(
    tmp_path: Path, shared_rabbitmq: SharedRabbitMQ
) -> None:
    random = Random(SEED)
    lives = (live(random, f"payment-{number}", f"wallet-{number % 50}") for number in range(10_000))
    chosen = [life for life in lives if 3 <= len(life.packets) <= 8][:500]
    packets = [packet for life in chosen for packet in life.packets]
    bodies = [json.dumps(packet).encode() for packet in deliveries(random, packets)]
    with postgres_database() as database:
        environment = {"BROKER_URL": shared_rabbitmq.virtual_host().url, "DATABASE_URL": database}
        address = Settings(database_url=SecretStr(database)).database_url.get_secret_value()
        with Stack(tmp_path, environment) as stack, connected(address) as engine:
            stack.release()
            stack.start("web")
            stack.start_process("worker", "--concurrency 4")
            with (
                httpx2.Client(headers={"Authorization": KEY}, timeout=10) as client,
                ThreadPoolExecutor(64) as pool,
            ):
                answers = list(
                    pool.map(lambda body: client.post(stack.url, content=body).status_code, bodies)
                )
            assert set(answers) == {200}
            unhandled = select(func.count()).where(handler_runs.c.state != RunState.DONE)

            def handled() -> bool:
                with engine.connect() as connection:
                    stored = connection.execute(select(func.count()).select_from(events)).scalar_one()
                    return stored == len(packets) and not connection.execute(unhandled).scalar_one()

            wait_until(handled, what="every event is handled", log=lambda: stack.log("worker"))
            for life in chosen:
                check(engine, life)
