"""The tables of docs/reference/ list what the code has, no more and no less."""

import re
from collections.abc import Iterator, Mapping, Sequence

import pytest
from pydantic import AliasChoices, BaseModel

import celeryconfig
import tasks.errors
from celeryconfig import Environment
from receiver.answers import ANSWERS, OF_THE_SERVERS
from receiver.otlp import COUNTERS
from receiver.reasons import Reason
from receiver.settings import Settings as ReceiverSettings
from tasks.celery import app
from tasks.payments.coupon import Coupon
from tasks.payments.item import Item
from tasks.payments.note import NoteReason
from tasks.payments.plan import Plan, PriceRange
from tasks.payments.price import FormerPrice, Price
from tasks.payments.price_list_form import Overpayment, PriceList
from tasks.payments.states import DecisionStatus, GrantStatus, ResolutionKind
from tasks.serving_settings import FlowerSettings, MetricsSettings
from tasks.store.states import RunState, SetAside
from tasks.store.views.events import STATES
from tasks.worker.reliable_task import ReliableTask
from tests.metrics import every_family, labels_of
from tests.stack import ROOT, procfile
from tests.variables import ALL

REFERENCE = ROOT / "docs" / "reference"


def section(page: str, heading: str) -> str:
    text = (REFERENCE / page).read_text()
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0] if heading else text


def table(page: str, heading: str = "") -> dict[str, str]:
    """Return the last cells of the rows under a heading, or of the page, by the names that begin them."""
    rows = [line.strip("| ").split(" | ") for line in section(page, heading).splitlines() if line[:1] == "|"]
    return {name: rest[-1] for first, *rest in rows for name in re.findall(r"`([^`]+)`", first)}


def test_the_answers() -> None:
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", section("http-answers.md", ""), re.MULTILINE)
    assert sorted(rows) == sorted((str(answer.status), answer.title) for answer in ANSWERS)


def test_what_refusals_are_counted_as() -> None:
    cells = re.findall(r"^\| \d{3} \|.*\| ([^|]*)\|$", section("http-answers.md", "Refusals"), re.MULTILINE)
    named = re.findall(r"`(\w+)`", "".join(cells))
    assert sorted(named) == sorted([*Reason, *(answer.reason for answer in OF_THE_SERVERS.values())])


def test_the_variables() -> None:
    # Celery's configuration reads this one itself.
    assert sorted(table("environment.md")) == sorted([*ALL, "EMBEDDED_BROKER_PATH"])


def defaults(settings: type[Environment]) -> Iterator[tuple[str, str]]:
    """Yield the variables that have a default of one word, and the default."""
    for name, field in settings.model_fields.items():
        alias, default = field.validation_alias, field.default
        if isinstance(default, bool | int | str):
            variable = str(alias.choices[0]) if isinstance(alias, AliasChoices) else name.upper()
            yield variable, str(default).lower() if isinstance(default, bool) else str(default)


@pytest.mark.parametrize(
    ("name", "default"),
    sorted({*defaults(ReceiverSettings), *defaults(FlowerSettings), *defaults(MetricsSettings)}),
)
def test_the_defaults(name: str, default: str) -> None:
    assert table("environment.md")[name] == (f"`{default}`" if default else "empty")


def test_the_fields_of_the_price_list() -> None:
    models: Mapping[str, Sequence[type[BaseModel]]] = {
        "An item": [Item],
        "A price": [Price, FormerPrice],
        "A coupon": [Coupon],
        "A plan": [Plan, PriceRange],
        "All of the list": [PriceList, Overpayment],
    }
    for heading, said in models.items():
        fields = {field.alias or name for model in said for name, field in model.model_fields.items()}
        assert set(table("price-list.md", heading)) == fields, heading


def test_the_states() -> None:
    events = {*RunState, SetAside.FOREIGN, "handled"} - {RunState.DONE}
    assert set(table("states.md", "An event")) == events
    assert {*events, SetAside.INVALID} == set(STATES)
    assert set(table("states.md", "A run")) == set(RunState)
    assert set(DecisionStatus) <= set(table("states.md", "A payment"))
    assert set(re.findall(r"`(\w+)`", section("states.md", "A grant"))) >= set(GrantStatus)
    assert set(table("states.md", "A dead letter")) == set(RunState) - {RunState.DONE}


def test_the_notes_and_what_to_do_about_each() -> None:
    assert list(table("states.md", "A note")) == list(NoteReason)
    assert list(table("../how-to/resolve-a-payment.md", "What each reason means")) == list(NoteReason)


def test_what_a_person_can_say() -> None:
    assert list(table("states.md", "A resolution")) == list(ResolutionKind)
    guide = (REFERENCE.parent / "how-to" / "resolve-a-payment.md").read_text()
    for kind in ResolutionKind:
        assert re.search(rf"payments resolve .*--{kind.replace('_', '-')} .*--reason", guide), kind


def test_the_errors() -> None:
    errors = {
        name
        for name, kind in vars(tasks.errors).items()
        if isinstance(kind, type) and issubclass(kind, tasks.errors.PermanentError)
    }
    assert set(table("errors.md", "Permanent errors")) == errors


def test_the_processes_the_queues_and_the_tasks() -> None:
    page = "processes-and-queues.md"
    assert list(table(page, "Processes")) == list(procfile())
    queues = {queue.name for queue in (*celeryconfig.task_queues, celeryconfig.dead_queue)}
    assert set(table(page, "Queues")) == queues | {"celery_delayed_0", "celery_delayed_27"}
    app.loader.import_default_modules()
    assert {name for name in app.tasks if name.startswith("tasks.")} <= set(table(page, "Tasks"))


def test_the_spans() -> None:
    app.loader.import_default_modules()
    traced = {
        re.sub(r"^tasks\.handlers\..*", "tasks.handlers.<name>", name)
        for name, task in app.tasks.items()
        if name.startswith("tasks.") and isinstance(task, ReliableTask) and task.is_traced
    }
    page = (ROOT / "docs" / "how-to" / "trace-with-opentelemetry.md").read_text()
    assert traced <= set(re.findall(r"^\| `([\w.<>]+)` \|", page, re.MULTILINE))


def test_the_metrics() -> None:
    rows = re.findall(r"^\| `(coinflow_\w+)` \| (\w+) \| (.*?) ?\|", section("metrics.md", ""), re.MULTILINE)
    documented = {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}
    assert documented == {
        family.name + "_total" * (family.type == "counter"): (family.type, list(labels_of(family)))
        for family in every_family()
    }


def test_the_receivers_counters() -> None:
    rows = re.findall(r"^\| `(coinflow\.[\w.]+)` \| (\S+) \|", section("metrics.md", ""), re.MULTILINE)
    assert rows == [(counter.name, counter.unit.strip("{}")) for counter in COUNTERS]


def test_the_glossary_is_in_alphabetical_order_and_says_each_word_once() -> None:
    rows = re.findall(r"^\| (\*\*.+?) \|", section("glossary.md", ""), re.MULTILINE)
    words = [re.sub(r"[*`]", "", row).lower() for row in rows]
    assert words == sorted(set(words))
