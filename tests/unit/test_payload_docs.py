"""`python -m tests.unit.test_payload_docs` writes docs/reference/payloads.md from the models."""

from pydantic import BaseModel

from tasks import merchant
from tasks.coinflow.event_types import Family
from tasks.coinflow.fields import CustomerPayload, Payload, PurchaseFees
from tasks.coinflow.payloads import PurchasePayload, model
from tests.stack import ROOT

PAGE = ROOT / "docs" / "reference" / "payloads.md"
HEAD = """# What a handler is given

A handler is called with an `Event`. Everything named here is imported from `tasks.merchant`.

| `event.` | what it is |
| --- | --- |
| `key` | the idempotency key: equal for every copy of the event |
| `type` | the event type; `event.type.name` is its name, `event.type.family` its family |
| `created` | when Coinflow says it happened, as it wrote it |
| `happened_at` | the same as a time, or `None` if it is none |
| `payment_id` | the payment it speaks of, or `None` |
| `payload` | its `data`, as the model of its family |
| `misfits` | the documented fields that were left out because of their type, as paths such as `totals.rate` |

A model has Coinflow's fields under Python's names: `webhookInfo` is `webhook_info`. A field that Coinflow
left out, or sent as another type than the documented one, is `None`. Fields that this version does not know
are kept, under Coinflow's names, in `payload.model_extra`. Amounts have `cents` and `currency`; `currency` is
`None` where Coinflow names none.

"""


def page() -> str:
    """Return what the page must be."""
    shared = {
        "every `Payload`": (Payload, set[str]()),
        "`CustomerPayload`": (CustomerPayload, set(Payload.model_fields)),
        "the fees of a `PurchasePayload`": (PurchaseFees, set(Payload.model_fields)),
        "`PurchasePayload`, which is a `CustomerPayload`": (
            PurchasePayload,
            {*CustomerPayload.model_fields, *PurchaseFees.model_fields},
        ),
    }
    text = HEAD + "## Shared fields\n\n| what | fields |\n| --- | --- |\n"
    text += "".join(f"| {name} | {fields(each, without)} |\n" for name, (each, without) in shared.items())
    text += (
        "\n`customer_id` of a `CustomerPayload` is the merchant's own id of the buyer, in whichever field "
        "and form\nCoinflow sent it.\n\n## Families\n\n"
        "| family | model | shared fields | fields of its own |\n"
        "| --- | --- | --- | --- |\n"
    )
    return text + "".join(map(row, Family))


def row(family: Family) -> str:
    """Return a family's row."""
    payload = model(family)
    base = next(each for each in (PurchasePayload, CustomerPayload, Payload) if issubclass(payload, each))
    own = fields(payload, set(base.model_fields)) or "none"
    return f"| {family} | `{payload.__name__}` | those of `{base.__name__}` | {own} |\n"


def fields(payload: type[BaseModel], without: set[str]) -> str:
    """Return the fields of a model but for some."""
    return ", ".join(f"`{name}`" for name in payload.model_fields if name not in without)


def test_the_page_says_what_the_models_have() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.unit.test_payload_docs`"


def test_every_name_that_a_merchant_imports_is_explained() -> None:
    guides = ROOT / "docs" / "how-to"
    pages = (PAGE, guides / "write-a-handler.md", guides / "use-your-own-orders.md")
    page = "".join(each.read_text() for each in pages)
    # Of amounts the page tells the fields.
    amounts = {"Cents", "SignedCents", "RefundTotals"}
    assert {name for name in merchant.__all__ if f"`{name}`" not in page} - amounts == {
        "on",
        "on_grant_change",
        "orders",
    }


if __name__ == "__main__":
    PAGE.write_text(page())
