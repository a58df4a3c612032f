"""Payments that name orders, and the example's order service, which is killed in the middle."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, func, select

from tasks.payments.order import Order, OrderLine
from tasks.settings import Settings
from tasks.store.orders import orders_of
from tasks.store.schema import orders
from tests.acceptance.servers import COMBINATIONS, Serve
from tests.engines import connected
from tests.merchants import employ
from tests.services import Server, free_port
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long

#: What each order is for; the last one is not told to the service at first.
ORDERS = {
    f"ord_{number}": Order((OrderLine("sword", number + 1),), 500 * (number + 1), "USD")
    for number in range(9)
} | {"ord_late": Order((OrderLine("shield"),), 750, "USD")}
BEFORE, MEANWHILE, AWAY = ([f"ord_{number}" for number in range(start, start + 3)] for start in (0, 3, 6))
ASKED = [*BEFORE, *MEANWHILE, *AWAY]


def payment(order_id: str) -> str:
    """Return the id of the payment that pays for an order."""
    return order_id.replace("ord_", "pay-")


def buyer(order_id: str) -> str:
    """Return the wallet of the buyer who pays for an order."""
    return order_id.replace("ord_", "buyer-")


def granted(order_id: str) -> dict[str, Any]:
    """Return what the buyer's wallet should hold of an order of one line."""
    (line,) = ORDERS[order_id].lines
    return {
        "item": line.item,
        "quantity": line.quantity,
        "status": "granted",
        "payment_id": payment(order_id),
    }


@dataclass(frozen=True)
class Shop:
    """A shop that sells by orders."""

    stack: Stack
    engine: Engine
    service: Server
    file: Path

    def know(self, *order_ids: str) -> None:
        """Let the service know these orders alone."""
        known = {each: ORDERS[each] for each in order_ids}
        text = json.dumps(
            {
                order_id: {
                    "lines": [{"item": line.item, "quantity": line.quantity} for line in order.lines],
                    "cents": order.cents,
                    "currency": order.currency,
                }
                for order_id, order in known.items()
            }
        )
        self.file.write_text(text)

    def pay(self, order_id: str, event_type: str = "Settled") -> None:
        """Send an event of the payment that pays for an order."""
        webhook_info = json.dumps({"orderId": order_id})
        price = str(ORDERS[order_id].cents)
        paid = ("--payment-id", payment(order_id), "--wallet", buyer(order_id), "--cents", price)
        self.stack.trigger(event_type, *paid, "--set", f"data.webhookInfo={webhook_info}")

    def answers(self) -> dict[str, Order]:
        """Return the answers that are stored, by the orders that were paid for."""
        with self.engine.connect() as connection:
            stored = orders_of(connection, list(map(payment, ORDERS)))
        return {each: stored[payment(each)] for each in ORDERS if payment(each) in stored}

    def wait_for(self, *order_ids: str) -> None:
        """Return once these orders' answers are stored and all runs of their payments are through."""

        def through() -> bool:
            return self.answers().keys() >= set(order_ids) and all(
                event["state"] == "handled"
                for each in order_ids
                for event in self.stack.read("payments", "show", payment(each))["events"]
            )

        wait_until(through, what=f"{order_ids} are answered", log=lambda: self.stack.log("worker"))


@contextmanager
def order_service(folder: Path) -> Iterator[tuple[Server, Path]]:
    """Yield the example's service, which is not started yet, and its file."""
    file, port = folder / "orders.json", free_port()
    command = [sys.executable, "-m", "examples.order_service.service", str(port), str(file)]
    service = Server(command, port, folder / "service.log", {"PYTHONPATH": str(ROOT)})
    try:
        yield service, file
    finally:
        service.stop()


@pytest.fixture(scope="module", params=COMBINATIONS[:2])
def shop(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("orders")
    with serve(request.param, folder) as servers, order_service(folder) as (service, file):
        own = employ("examples.order_service.shop") | {"ORDER_SERVICE": f"http://127.0.0.1:{service.port}"}
        with Stack(folder, servers | own) as stack:
            stack.release()
            stack.start("web", "worker")
            address = Settings(database_url=SecretStr(stack.environment["DATABASE_URL"]))
            with connected(address.database_url.get_secret_value()) as engine:
                yield Shop(stack, engine, service, file)


@pytest.fixture(scope="module")
def survivor(shop: Shop) -> Shop:
    """Return the shop once it has sold while its service was there, was killed, and was there again."""
    shop.know(*ASKED)
    shop.service.start()
    for order_id in BEFORE:
        shop.pay(order_id)
    shop.wait_for(*BEFORE)
    for order_id in MEANWHILE:
        shop.pay(order_id, "Card Payment Authorized")
        shop.pay(order_id)
    shop.service.stop(signal.SIGKILL)
    for order_id in AWAY:
        shop.pay(order_id)
    wait_until(
        lambda: shop.stack.log("worker").count("The order service is away") >= 2 * len(AWAY),
        what="the questions are tried again",
        log=lambda: shop.stack.log("worker"),
    )
    assert not shop.answers().keys() & set(AWAY)
    assert [shop.stack.wallet(buyer(order_id)) for order_id in AWAY] == [[]] * len(AWAY)
    assert shop.stack.read("dead-letters", "list") == []
    shop.service.start()
    shop.wait_for(*ASKED)
    return shop


def test_each_order_is_asked_for_and_its_answer_is_stored_once(survivor: Shop) -> None:
    assert survivor.answers() == {order_id: ORDERS[order_id] for order_id in ASKED}
    with survivor.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(orders)) == len(ASKED)
    said = survivor.service.log.read_text()
    assert [order_id for order_id in ASKED if f"id={order_id} " not in said] == []
    assert survivor.stack.read("dead-letters", "list") == []


def test_the_wallets_hold_what_was_ordered(survivor: Shop) -> None:
    held = {order_id: survivor.stack.wallet(buyer(order_id)) for order_id in ASKED}
    assert held == {order_id: [granted(order_id)] for order_id in ASKED}


def test_an_unknown_order_is_replayed_once_it_is_known(shop: Shop) -> None:
    if not shop.service.running:
        shop.know()
        shop.service.start()
    shop.pay("ord_late")

    def letters() -> Any:
        return shop.stack.read("dead-letters", "list")

    (letter,) = wait_until(letters, what="there is a dead letter", log=lambda: shop.stack.log("worker"))
    assert (letter["handler"], letter["error"]) == ("orders", "OrderUnknown")
    assert "ord_late" not in letter["message"]
    shop.know("ord_late")
    # A process of its own, whose broker is the stack's.
    shop.stack.shell("bin/coinflowctl dead-letters replay --all")
    shop.wait_for("ord_late")
    assert letters() == []


def test_what_is_named_is_in_no_log(survivor: Shop) -> None:
    assert "tasks.orders.find_order" in survivor.stack.log("worker")
    for process in ("web", "worker"):
        assert "ord_" not in survivor.stack.log(process)
