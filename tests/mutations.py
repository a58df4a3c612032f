"""Every documented field of every event, made into what Coinflow does not document.

A field is one of the sample's, or one that the model has and the sample lacks; in amounts and totals, too.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, get_args

from tasks.coinflow.event_types import EVENT_TYPES, EventType, Family, Meaning
from tasks.coinflow.fields import Model
from tasks.coinflow.payloads import model
from tasks.coinflow.samples import sample

#: What a field becomes, by the name of the kind; `MISSING` takes it away.
KINDS: dict[str, Any] = {
    "null": None,
    "whole": 7,
    "fraction": 7.5,
    "text": "text",
    "true": True,
    "list": [],
    "object": {},
    "objects": [{}],
    "empty": "",
}
MISSING = "missing"

#: What the rules read of any event.
_OF_ALL = ("id", "paymentId", "wallet", "customerId", "rawCustomerId", "merchantId", "webhookInfo")
#: What the rules read beside that, by family. A subscription is found by its id.
_OF_FAMILY: dict[Family, tuple[str, ...]] = {
    Family.SETTLED: ("subtotal", "settlementTotals", "presentmentTotals"),
    Family.CRYPTO_PAYIN: ("amount", "settlementTotals", "presentmentTotals"),
    Family.REFUND: ("totals", "totals.subtotal", "totals.resolution", "status", "refundId"),
    Family.CHARGEBACK: ("chargebackId", "respondByDate", "reasonCode", "subtotal"),
    Family.SUBSCRIPTION: ("subscriptionId",),
}
#: What is read within these: an amount's parts, and what the merchant put into `webhookInfo`.
_INNER = ("cents", "currency", "item", "quantity", "orderId")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A sample of which one field is what Coinflow does not document."""

    event_type: EventType
    api_version: Literal[2, 3]
    #: Within `data`, dotted.
    path: str
    #: One of `KINDS`, or `MISSING`.
    kind: str
    packet: dict[str, Any]

    @property
    def is_read(self) -> bool:
        """Whether a rule reads the field, so that another value may mean another thing."""
        read = _OF_ALL + _OF_FAMILY.get(self.event_type.family, ())
        outer, _, inner = self.path.rpartition(".")
        return self.path in read or (outer in read and inner in _INNER)

    @property
    def pays(self) -> bool:
        """Whether the event says that the merchant has the money."""
        return self.event_type.meaning is Meaning.PAID

    def __str__(self) -> str:
        return f"{self.event_type.name} {self.api_version} {self.path} {self.kind}"


def mutations(*names: str) -> Iterator[Mutation]:
    """Return every mutation of the named event types, or of all, in both versions."""
    for event_type in [EVENT_TYPES[name] for name in names] or EVENT_TYPES.values():
        for api_version in (2, 3):
            yield from _mutations(event_type, api_version)


def paths(event_type: EventType, api_version: Literal[2, 3]) -> list[str]:
    """Return the dotted paths, within `data`, of every documented field of an event type."""
    data = sample(event_type.name, api_version)["data"]
    within = (
        ("webhookInfo.item", "webhookInfo.quantity", "webhookInfo.orderId") if "webhookInfo" in data else ()
    )
    return list(dict.fromkeys(chain(_sent(data), _documented(model(event_type.family)), within)))


def _mutations(event_type: EventType, api_version: Literal[2, 3]) -> Iterator[Mutation]:
    packet = sample(event_type.name, api_version)
    for path in paths(event_type, api_version):
        for kind in (*KINDS, MISSING):
            mutated = deepcopy(packet)
            if _mutate(mutated["data"], path, kind):
                yield Mutation(event_type, api_version, path, kind, mutated)


def _mutate(data: dict[str, Any], path: str, kind: str) -> bool:
    """Change the field; tell whether that changed anything."""
    *parents, name = path.split(".")
    place = data
    for parent in parents:
        place = place.setdefault(parent, {})
    if kind == MISSING:
        return place.pop(name, MISSING) is not MISSING
    place[name] = deepcopy(KINDS[kind])
    return True


def _sent(data: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in data.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from _sent(value, f"{prefix}{name}.")


def _documented(of: type[Model], prefix: str = "") -> Iterator[str]:
    for name, field in of.model_fields.items():
        path = prefix + (field.alias or name)
        yield path
        for inner in get_args(field.annotation) or (field.annotation,):
            if isinstance(inner, type) and issubclass(inner, Model):
                yield from _documented(inner, f"{path}.")
