"""What may be told of money that goes back: disputes and refunds, in any sequence that has been seen."""

from collections.abc import Iterator
from typing import Any

from tests.lives import Packet
from tests.story import Story

#: Of a dispute: o opened, p opened with another date, w won, l lost, m lost with another amount.
_DISPUTES = [
    "o",
    "o",
    "ow",
    "ow",
    "ow",
    "ol",
    "ol",
    "olw",
    "owl",
    "owp",
    "owpw",
    "owpl",
    "w",
    "l",
    "wo",
    "oow",
]
_RARE_DISPUTES = ["owo", "wow", "olwl", "lwlw", "oll", "olm", "lwm", "owlw", "wlw", "mow", "pow", "oplw"]
#: Of a refund: p pending, i invoiced, s settled, c complete, f failed, x failure, r returned, n no status.
_REFUNDS = ["p", "pi", "s", "s", "c", "sc", "pisc", "psc", "pf", "x", "sx", "scr", "pxpsc", "ns"]
_RARE_REFUNDS = ["ss", "cc", "sxs", "fsf", "pppc", "scxsc", "scsc", "sss", "xs"]
_STEPS = {
    "p": ("Refund", "Pending"),
    "i": ("Refund", "Invoiced"),
    "s": ("Refund", "Settled"),
    "c": ("Refund Complete", "Settled"),
    "f": ("Refund", "Failed"),
    "x": ("Refund Failure", "Failed"),
    "r": ("Refund Returned", "Settled"),
    "n": ("Refund", None),
}


def disputing(story: Story) -> Iterator[list[Packet]]:
    """Yield a strand for each dispute."""
    for dispute in story.random.sample(["cb_1", "cb_2", 3, None], story.random.choice([1, 1, 1, 2])):
        method = story.random.choice(["Card", "PayPal", "Venmo"])
        rare = story.likely(30)
        amounts = [_disputed(story), _disputed(story)]
        strand = []
        for letter in story.random.choice(_RARE_DISPUTES if rare else _DISPUTES):
            outcome = {"o": "Opened", "p": "Opened", "w": "Won", "l": "Lost", "m": "Lost"}[letter]
            kind = f"{method} Payment Chargeback {outcome}"
            if outcome == "Opened" and story.likely(10):
                kind = "ACH Chargeback"
            data: dict[str, Any] = {"chargebackId": dispute, "subtotal": amounts[letter == "m"]}
            if letter == "p":
                data |= story.random.choice(
                    [
                        {"respondByDate": "2026-12-24T00:00:00.000Z"},
                        {"reasonCode": 13},
                        {"respondByDate": None},
                    ]
                )
            strand.append(story.event(kind, names=story.likely(60), **data))
        if story.likely(4):
            strand.append(story.event(f"{method} Payment Chargeback Lost", chargebackId=[dispute]))
        yield strand


def _disputed(story: Story) -> Any:
    """Return the amount that a dispute is about: the whole, a part, or none that can be read."""
    part = story.price // story.quantity * story.random.randint(1, story.quantity)
    cents = story.random.choice([story.price, story.price, part, part, part - 1, 0])
    amount = story.amount(cents, None, None, None, story.currency, "IDR" if story.likely(20) else None)
    return story.random.choice([None, "x", {"cents": "x"}]) if story.likely(4) else amount


def refunding(story: Story) -> Iterator[list[Packet]]:
    """Yield a strand for each refund; those without an id may turn out to be the same."""
    share = story.price // story.random.choice([1, 2, story.quantity, 4])
    for number in range(story.random.choice([1, 1, 1, 2, 2, 3])):
        cents = story.random.choice([share, share, 50, 30 + number, story.price])
        refund_id = story.random.choice([None, None, f"rf_{number}", f"rf_{number}", number])
        totals = _totals(story, cents)
        rare = story.likely(30)
        strand = []
        for letter in story.random.choice(_RARE_REFUNDS if rare else _REFUNDS):
            kind, status = _STEPS[letter]
            packet = story.event(kind, cents, names=story.likely(30))
            packet["data"] |= {"status": _cased(story, status), "totals": packet["data"]["totals"] | totals}
            if refund_id is not None and story.likely(85):
                packet["data"]["refundId"] = refund_id
            strand.append(packet)
        if story.likely(4):
            strand.append(_unreadable(story))
        yield strand


def _totals(story: Story, cents: int) -> dict[str, Any]:
    """Return a refund's amounts: in the payment's currency, in none, or in the buyer's."""
    mine = story.currency
    if story.likely(85):
        return {
            "subtotal": story.amount(cents, mine, mine, None),
            "resolution": story.random.choice([story.amount(cents, mine), None, "none"]),
        }
    return {
        "subtotal": story.amount(cents * 160, "IDR", "IDR", None),
        "resolution": story.random.choice([story.amount(cents, mine), {"cents": cents}, None]),
    }


def _cased(story: Story, status: str | None) -> str | None:
    return status.upper() if status and story.likely(10) else status


def _unreadable(story: Story) -> Packet:
    if story.likely(50):
        return story.event("Refund", status=story.random.choice([1, ["Settled"], {}]))
    return story.event(
        "Refund Complete", totals=story.random.choice([None, {}, {"subtotal": {"cents": "x"}}])
    )
