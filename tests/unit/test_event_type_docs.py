"""`python -m tests.unit.test_event_type_docs` writes docs/reference/event-types.md from the table."""

from tasks.coinflow.event_types import EVENT_TYPES, Meaning
from tasks.coinflow.payloads import payment_id_of
from tests.stack import ROOT

PAGE = ROOT / "docs" / "reference" / "event-types.md"
MEANINGS = {
    Meaning.PAID: "pays: the wallet is granted",
    Meaning.SUSPENDS: "suspends the grant",
    Meaning.RESTORES: "ends its dispute: the grant is restored",
    Meaning.REVOKES: "revokes the grant",
    Meaning.REFUNDS: "refunds: revokes once what has gone back reaches the price",
    Meaning.UNDOES_REFUND: "undoes a refund",
    Meaning.CLOSES: "closes the attempt; takes nothing back from what settled",
    Meaning.NOTED: "noted",
}
HEAD = """# Event types

Every event type that Coinflow documents, the family whose fields its `data` has
([payloads](payloads.md)), and what it means for its payment. An event of any other type is kept and
answered with 200. [The rules of a payment](../explanation/payments.md) tells the details, as of parts and of
several disputes. `coinflowctl events types` prints the same table; it comes from
`tasks/coinflow/event_types.py`.

| `eventType` | family | speaks of a payment | what it means |
| --- | --- | --- | --- |
"""


def page() -> str:
    """Return what the page must be."""
    ids = {"id": "p", "paymentId": "p"}
    return HEAD + "".join(
        f"| `{known.name}` | {known.family} | {'yes' if payment_id_of(known.family, ids) else 'no'} "
        f"| {MEANINGS[known.meaning]} |\n"
        for known in EVENT_TYPES.values()
    )


def test_the_page_says_what_the_table_says() -> None:
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
