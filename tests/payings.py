"""What may be told of a payment's being paid, rightly and wrongly."""

from collections.abc import Iterator
from typing import Any

from tests.lives import Packet
from tests.story import Story

PAYIN = "Crypto Payin Funds Received"


def paying(story: Story) -> Iterator[list[Packet]]:
    """Yield the strands of a payment that somebody pays."""
    plots = {
        _card: 40,
        _crypto: 15,
        _payin_alone: 8,
        _disagreeing: 14,
        _mistaken: 15,
        _unreadable: 5,
        _ach: 3,
    }
    (plot,) = story.random.choices(list(plots), list(plots.values()))
    yield from plot(story)


def paid(story: Story, kind: str = "Settled", cents: int | None = None, **data: Any) -> Packet:
    """Make a paying event up; now and then its currency is named beside it, or a wrong one is."""
    packet = story.event(kind, cents, **data)
    member = "amount" if kind == PAYIN else "subtotal"
    amount = packet["data"][member]
    right, usual = story.currency, story.currency == "USD"
    if story.likely(30 if usual else 45):
        amount["currency"] = story.random.choice([right, right, f" {right.lower()} "])
    elif story.likely(15 if usual else 85):
        field = story.random.choice(["settlementTotals", "presentmentTotals"])
        cents = amount["cents"]
        packet["data"][field] = story.random.choice(
            [
                {member: {"cents": cents, "currency": right}, "total": {"cents": cents + 45}},
                {member: {"cents": str(cents)}, "currency": right},
                {member: cents, "currency": right.lower()},
            ]
        )
        if story.likely(25):
            packet["data"][field if usual else "presentmentTotals"] = {
                member: {"cents": cents, "currency": "IDR"}
            }
    elif story.likely(10):
        packet["data"]["settlementTotals"] = story.random.choice(
            [
                {member: {"cents": amount["cents"], "currency": "USDC"}},
                {member: {"cents": amount["cents"] + 3, "currency": "IDR"}},
                {member: [amount["cents"]], "currency": 7},
                "500 IDR",
            ]
        )
    return packet


def _card(story: Story) -> Iterator[list[Packet]]:
    strand = [story.event("Card Payment Authorized")] if story.likely(60) else []
    yield [*strand, paid(story)]


def _ach(story: Story) -> Iterator[list[Packet]]:
    yield [story.event("ACH Initiated"), story.event("ACH Batched"), paid(story)]


def _crypto(story: Story) -> Iterator[list[Packet]]:
    strand = [paid(story, story.random.choice([PAYIN, "USDC Payment Received"]))]
    if story.likely(25):
        strand.insert(0, story.event(story.random.choice(["Crypto Underpayment", "Crypto Overpayment"])))
    if story.likely(50):
        strand.append(paid(story, names=story.likely(70)))
    yield strand


def _payin_alone(story: Story) -> Iterator[list[Packet]]:
    yield [paid(story, PAYIN)]
    if story.likely(50):
        yield [story.event("Card Payment Authorized", names=story.likely(50))]


def _disagreeing(story: Story) -> Iterator[list[Packet]]:
    strand = []
    for _ in range(story.random.randint(2, 3)):
        kind = story.random.choice(["Settled", "USDC Payment Received", PAYIN])
        cents = story.random.choice([story.price, story.price, story.price // 2, story.price + 10, 100, 1500])
        packet = paid(story, kind, cents, names=story.likely(60))
        if kind != PAYIN and story.likely(25):
            packet["data"]["webhookInfo"] = {"item": story.random.choice(["sword", "potion", "shield"])}
        strand.append(packet)
    yield strand
    if story.likely(40):
        yield [story.event("Card Payment Authorized")]


def _mistaken(story: Story) -> Iterator[list[Packet]]:
    """Yield a payment with one thing wrong."""
    wrong: dict[str, Any] = story.random.choice(
        [
            {},
            {"webhookInfo": {"item": "shield"}},
            {"webhookInfo": {"item": story.random.choice([True, ["sword"], {}])}},
            {"webhookInfo": {"item": story.item, "quantity": story.random.choice([0, -1, 1.5, None, "2.0"])}},
            {"webhookInfo": {"item": 7}},
            {"customerId": "x" * 201, "rawCustomerId": None},
            {"customerId": None, "rawCustomerId": None, "wallet": None},
        ]
    )
    cents = story.random.choice([story.price + 1, story.price * 2]) if not wrong else None
    yield [paid(story, cents=cents, **wrong)]
    if story.likely(30):
        yield [story.event("Card Payment Authorized")]


def _unreadable(story: Story) -> Iterator[list[Packet]]:
    amount: Any = story.random.choice(
        [
            None,
            "500",
            {"cents": "5.00"},
            {"cents": -story.price},
            {"cents": story.price, "currency": 840},
            {"cents": story.price + 0.5},
        ]
    )
    yield [story.event("Settled", subtotal=amount)]
    if story.likely(20):
        yield [story.event("Crypto Underpayment")]
    if story.likely(50):
        yield [paid(story, "USDC Payment Received")]
