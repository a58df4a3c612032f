"""Orders of the merchant's own: which events ask for one, and what the answers leave in real databases."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from celery.exceptions import Retry, SoftTimeLimitExceeded
from sqlalchemy import Engine, select, update

from celeryconfig import INTAKE_TASK
from tasks.celery import Application
from tasks.errors import TransientError
from tasks.payments.order import Order, OrderLine
from tasks.pipeline.dispatch import FULFILMENT_TASK, HANDLER_TASKS, ORDERS_TASK, Delivery
from tasks.pipeline.routing import ROUTES
from tasks.store import runs
from tasks.store.orders import orders_of, save_order
from tasks.store.runs import FULFILMENT, MOST_BEGINNINGS, ORDERS
from tasks.store.schema import dead_letters, handler_runs, orders
from tasks.store.views.payment_story import payment_story
from tests.integration.commands import ctl, read
from tests.integration.messages import redelivered, sweep, taken
from tests.integration.pipeline import count, delivery
from tests.stack import ROOT

pytestmark = pytest.mark.long

SWORD = Order((OrderLine("sword"),), 500, "USD")
CART = Order((OrderLine("sword"), OrderLine("potion", 3)), 500, "USD")

FindOrder = Callable[[dict[str, Any], str], Any]


class Shop:
    """The merchant's function: it notes what it is asked and says, or raises, what `says` has."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], str]] = []
        self.says: FindOrder = lambda _info, _payment_id: SWORD

    def find(self, webhook_info: dict[str, Any], payment_id: str) -> Any:
        self.asked.append((webhook_info, payment_id))
        return self.says(webhook_info, payment_id)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop()
    monkeypatch.setattr(ROUTES, "find_order", shop.find)
    return shop


def naming(info: Any, payment_id: str = "pay", event_type: str = "Settled", **changes: Any) -> Delivery:
    """Return a delivery whose `webhookInfo` is the given one."""
    return delivery(payment_id, event_type, data__webhookInfo=info, **changes)


ORDERED = {"orderId": "ord_17"}


def take_in(app: Application, *deliveries: Delivery) -> list[tuple[str, Any]]:
    """Take events in; return what was sent."""
    app.tasks[INTAKE_TASK](list(deliveries))
    return taken(app)


def states(engine: Engine, handler: str = ORDERS) -> dict[int, str]:
    """Return the states of a handler's runs by their events."""
    query = select(handler_runs.c.event_id, handler_runs.c.state).where(handler_runs.c.handler == handler)
    with engine.connect() as connection:
        return {row.event_id: row.state for row in connection.execute(query)}


def stored(engine: Engine, *payment_ids: str) -> dict[str, Order]:
    with engine.connect() as connection:
        return orders_of(connection, payment_ids or ["pay"])


def letters(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        return [(row.handler, row.error) for row in connection.execute(select(dead_letters))]


def failing(error: Exception) -> FindOrder:
    def fail(_info: dict[str, Any], _payment_id: str) -> Any:
        raise error

    return fail


# ---------------------------------------------------------------- which events ask


@pytest.mark.parametrize(
    "info", [ORDERED, {"coin_package_id": 4}, {"item": None, "a": 1}, {"item": " "}, '{"orderId": "ord_17"}']
)
@pytest.mark.parametrize(
    "event_type", ["Settled", "Card Payment Authorized", "Card Payment Chargeback Opened"]
)
@pytest.mark.usefixtures("shop")
def test_an_event_that_names_no_item_asks(
    app: Application, engine: Engine, info: Any, event_type: str
) -> None:
    assert take_in(app, naming(info, event_type=event_type)) == [(ORDERS_TASK, 1)]
    assert states(engine) == {1: "pending"}
    assert states(engine, FULFILMENT) == {1: "done"}


@pytest.mark.parametrize(
    "event",
    [
        naming({"item": "sword", "orderId": "ord_17"}),
        naming({"item": "excalibur"}),
        naming({"item": ["sword"]}),
        naming({}),
        naming(None),
        naming("ord_17"),
        naming([ORDERED]),
        naming(ORDERED, event_type="Refund"),
        naming(ORDERED, event_type="Crypto Payin Funds Received"),
        naming(ORDERED, event_type="KYC Success"),
        naming(ORDERED, event_type="Some Future Event"),
        naming(ORDERED, data__subtotal__cents="five"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_any_other_event_asks_nothing(app: Application, engine: Engine, event: Delivery) -> None:
    assert take_in(app, event) == []
    assert states(engine) == {}


@pytest.mark.usefixtures("shop")
def test_another_merchants_event_asks_nothing(
    app: Application, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = app.collaborators.settings
    monkeypatch.setitem(settings.__dict__, "merchant_ids", ("acme",))
    assert take_in(app, naming(ORDERED, data__merchantId="other")) == []
    assert states(engine) == {}


def test_without_a_function_nothing_is_asked(app: Application, engine: Engine) -> None:
    assert ROUTES.find_order is None
    assert take_in(app, naming(ORDERED)) == []
    assert states(engine) == {}


def test_a_payment_that_is_answered_asks_no_more(app: Application, engine: Engine, shop: Shop) -> None:
    take_in(app, naming(ORDERED, event_type="Card Payment Authorized"))
    app.tasks[ORDERS_TASK](1)
    taken(app)
    assert take_in(app, naming(ORDERED)) == []
    assert take_in(app, naming(ORDERED, "other")) == [(ORDERS_TASK, 3)]
    assert states(engine) == {1: "done", 3: "pending"}
    assert len(shop.asked) == 1


def test_a_copy_asks_again_only_while_nothing_is_said(app: Application, shop: Shop) -> None:
    event = naming(ORDERED)
    assert take_in(app, event, event) == [(ORDERS_TASK, 1)]
    assert take_in(app, event) == [(ORDERS_TASK, 1)]
    app.tasks[ORDERS_TASK](1)
    taken(app)
    assert take_in(app, event) == []
    assert len(shop.asked) == 1


def test_a_copy_that_comes_once_there_is_a_function_asks(
    app: Application, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = naming(ORDERED)
    assert take_in(app, event) == []
    monkeypatch.setattr(ROUTES, "find_order", Shop().find)
    assert take_in(app, event) == [(ORDERS_TASK, 1)]
    assert states(engine) == {1: "pending"}


# ---------------------------------------------------------------- answers


def test_an_answer_is_kept_and_the_payment_is_fulfilled_again(
    app: Application, engine: Engine, shop: Shop
) -> None:
    shop.says = lambda _info, _payment_id: CART
    take_in(app, naming(ORDERED))
    app.tasks[ORDERS_TASK](1)
    assert shop.asked == [(ORDERED, "pay")]
    assert stored(engine) == {"pay": CART}
    assert states(engine) == {1: "done"}
    assert states(engine, FULFILMENT) == {1: "pending"}
    assert taken(app) == [(FULFILMENT_TASK, ["pay"])]
    app.tasks[FULFILMENT_TASK](["pay"])
    assert states(engine, FULFILMENT) == {1: "done"}
    with engine.connect() as connection:
        story = payment_story(connection, "pay", "USD")
    assert story
    assert (story.order, story.state, len(story.grants)) == (CART, "granted", 2)


def test_a_run_whose_payment_is_answered_is_done_without_a_question(
    app: Application, engine: Engine, shop: Shop
) -> None:
    take_in(app, naming(ORDERED))
    with engine.begin() as connection:
        assert save_order(connection, "pay", CART, datetime.now(UTC))
    app.tasks[ORDERS_TASK](1)
    assert shop.asked == []
    assert states(engine) == {1: "done"}
    assert taken(app) == []


def test_one_answer_is_that_of_all_events_of_the_payment(
    app: Application, engine: Engine, shop: Shop
) -> None:
    names = ("Card Payment Authorized", "Settled", "Card Payment Chargeback Opened")
    events = [naming(ORDERED, event_type=name) for name in names]
    assert {each for each, _ in take_in(app, *events)} == {ORDERS_TASK}
    shop.says = lambda _info, _payment_id: None
    app.tasks[ORDERS_TASK](1)
    assert letters(engine) == [(ORDERS, "OrderUnknown")]
    shop.says = lambda _info, _payment_id: SWORD
    app.tasks[ORDERS_TASK](2)
    app.tasks[ORDERS_TASK](3)
    assert states(engine) == {1: "done", 2: "done", 3: "done"}
    assert letters(engine) == []
    assert len(shop.asked) == 2


def test_of_answers_that_come_at_once_one_stands(app: Application, engine: Engine, shop: Shop) -> None:
    take_in(app, naming(ORDERED, event_type="Card Payment Authorized"), naming(ORDERED))
    both = Barrier(2)
    answers = [SWORD, CART]

    def say(_info: dict[str, Any], _payment_id: str) -> Order:
        both.wait()
        return answers.pop()

    shop.says = say
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(app.tasks[ORDERS_TASK], [1, 2]))
    assert count(engine, orders) == 1
    assert stored(engine)["pay"] in {SWORD, CART}
    assert states(engine) == {1: "done", 2: "done"}
    assert taken(app) == [(FULFILMENT_TASK, ["pay"])]


def test_the_first_answer_stands(engine: Engine) -> None:
    now = datetime.now(UTC)
    with engine.begin() as connection:
        assert save_order(connection, "pay", SWORD, now)
        assert not save_order(connection, "pay", CART, now)
        assert orders_of(connection, ["pay", "other"]) == {"pay": SWORD}
        assert orders_of(connection, []) == {}


def test_the_documented_function_works(
    app: Application, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "how-to" / "use-your-own-orders.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.setattr(ROUTES, "find_order", None)
    exec(example, {})  # as the worker imports it
    for number in (4, 5):
        take_in(app, naming({"coin_package_id": number}, f"pay-{number}"))
        app.tasks[ORDERS_TASK](number - 3)
    known = Order((OrderLine("sword"), OrderLine("potion", 3)), 875, "USD")
    assert stored(engine, "pay-4", "pay-5") == {"pay-4": known}
    assert letters(engine) == [(ORDERS, "OrderUnknown")]


# ---------------------------------------------------------------- no answer


def test_an_order_that_nobody_knows_is_a_dead_letter_that_can_be_replayed(
    app: Application, engine: Engine, shop: Shop
) -> None:
    shop.says = lambda _info, _payment_id: None
    take_in(app, naming({"orderId": "private-order"}))
    app.tasks[ORDERS_TASK](1)
    assert letters(engine) == [(ORDERS, "OrderUnknown")]
    assert states(engine) == {1: "dead"}
    (letter,) = read("dead-letters", "list")
    assert "private-order" not in str(letter)
    assert stored(engine) == {}
    assert taken(app) == []
    shop.says = lambda _info, _payment_id: SWORD
    with engine.begin() as connection:
        runs.reopen(connection, [(1, ORDERS)])
    app.tasks[ORDERS_TASK](1)
    assert (stored(engine), letters(engine)) == ({"pay": SWORD}, [])


def test_what_was_discarded_is_not_asked(app: Application, engine: Engine, shop: Shop) -> None:
    shop.says = lambda _info, _payment_id: None
    take_in(app, naming(ORDERED))
    app.tasks[ORDERS_TASK](1)
    assert ctl("dead-letters", "discard", "1", "--yes").exit_code == 0
    app.tasks[ORDERS_TASK](1)
    assert len(shop.asked) == 1
    assert states(engine) == {1: "discarded"}


@pytest.mark.parametrize("answer", ["sword", {"lines": []}, [SWORD], True])
def test_an_answer_that_is_no_order_is_a_dead_letter(
    app: Application, engine: Engine, shop: Shop, answer: Any
) -> None:
    shop.says = lambda _info, _payment_id: answer
    take_in(app, naming(ORDERED))
    app.tasks[ORDERS_TASK](1)
    assert letters(engine) == [(ORDERS, "OrderInvalid")]
    assert stored(engine) == {}


def test_an_order_that_cannot_be_is_a_dead_letter(app: Application, engine: Engine, shop: Shop) -> None:
    shop.says = lambda _info, _payment_id: Order((), 500, "USD")
    take_in(app, naming(ORDERED))
    app.tasks[ORDERS_TASK](1)
    assert letters(engine) == [(ORDERS, "OrderInvalid")]


@pytest.mark.parametrize(
    "error", [TransientError(), ConnectionError(), ValueError(), SoftTimeLimitExceeded()]
)
def test_what_it_raises_is_tried_again_in_its_queue(
    app: Application, engine: Engine, shop: Shop, error: Exception
) -> None:
    shop.says = failing(error)
    take_in(app, naming(ORDERED))
    task = app.tasks[ORDERS_TASK]
    task.push_request(args=(1,), kwargs={}, retries=0, called_directly=False, delivery_info={}, headers={})
    with pytest.raises(Retry):
        task(1)
    task.pop_request()
    assert [name for name, *_ in taken(app)] == [ORDERS_TASK]
    assert states(engine) == {1: "pending"}
    with engine.connect() as connection:
        starts = select(handler_runs.c.starts).where(handler_runs.c.handler == ORDERS)
        assert connection.execute(starts).scalar_one() == 0
    shop.says = lambda _info, _payment_id: SWORD
    task(1)
    assert stored(engine) == {"pay": SWORD}


def test_a_run_that_is_cut_off_again_and_again_is_a_dead_letter(
    app: Application, engine: Engine, shop: Shop
) -> None:
    take_in(app, naming(ORDERED))
    with engine.begin() as connection:
        for _ in range(MOST_BEGINNINGS):
            runs.begin(connection, [1], ORDERS)
    app.tasks[ORDERS_TASK](1)
    assert shop.asked == []
    assert letters(engine) == [(ORDERS, "RunCutOff")]


def test_a_function_that_was_taken_out_is_a_dead_letter(
    app: Application, engine: Engine, monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    take_in(app, naming(ORDERED), naming(ORDERED, "other"))
    monkeypatch.setattr(ROUTES, "find_order", None)
    app.tasks[ORDERS_TASK](1)
    overdue(engine)
    sweep(app)
    assert letters(engine) == [(ORDERS, "HandlerMissing")] * 2
    assert shop.asked == []
    assert taken(app) == []


# ---------------------------------------------------------------- what is cut off


def overdue(engine: Engine) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    with engine.begin() as connection:
        connection.execute(update(handler_runs).values(due_at=past))


@pytest.mark.usefixtures("shop")
def test_a_question_that_was_not_sent_is_sent_by_recovery(app: Application, engine: Engine) -> None:
    take_in(app, naming(ORDERED))
    overdue(engine)
    sweep(app)
    assert taken(app) == [(ORDERS_TASK, 1)]


@pytest.mark.usefixtures("shop")
def test_a_fulfilment_that_was_not_sent_is_sent_by_recovery(app: Application, engine: Engine) -> None:
    take_in(app, naming(ORDERED))
    app.tasks[ORDERS_TASK](1)
    taken(app)
    overdue(engine)
    sweep(app)
    assert taken(app) == [(FULFILMENT_TASK, ["pay"])]


def test_a_question_that_is_delivered_again_is_asked_once(
    app: Application, engine: Engine, shop: Shop
) -> None:
    take_in(app, naming(ORDERED))
    app.tasks[ORDERS_TASK](1)
    with redelivered(app, ORDERS_TASK) as find_order:
        find_order(1)
    assert len(shop.asked) == 1
    assert taken(app) == [(FULFILMENT_TASK, ["pay"])]
    assert states(engine) == {1: "done"}


def test_the_events_other_handlers_are_not_sent_again(
    app: Application, monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    def thank(event: Any) -> None:
        """Take an event and do nothing."""

    monkeypatch.setitem(ROUTES.handlers, "thank", thank)
    monkeypatch.setitem(ROUTES._names, "Settled", ["thank"])  # noqa: SLF001  # as if it were registered
    app.task(name=HANDLER_TASKS + "thank", shared=False, lazy=False)(thank)
    assert sorted(take_in(app, naming(ORDERED))) == [(HANDLER_TASKS + "thank", 1), (ORDERS_TASK, 1)]
    app.tasks[ORDERS_TASK](1)
    assert taken(app) == [(FULFILMENT_TASK, ["pay"])]
    assert len(shop.asked) == 1
