"""Cases that are told in files: what comes of each payment, step by step, and how wallets and list then look.

A file has `trouble`, one sentence; `steps`, whose deliveries may come in any order, while the next step waits
until they are handled; and `right`: what each wallet holds, by item, which payments are visible to a person,
each with the reasons, and where it matters the states of payments. With `arrival_decides` the order of the
steps matters. A delivery is the sample of its event type with what the file says: `data` by paths, `payment`
and `wallet` as the whole file unless it names its own. One that names no item has no `webhookInfo`. A person
speaks in a step as `{"resolve": [<options>]}`.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

import httpx2
from sqlalchemy import Engine, func, select

from tasks.coinflow.event import read_packet
from tasks.coinflow.samples import apply, sample, with_identity
from tasks.store.schema import events, handler_runs
from tasks.store.states import RunState
from tests.stack import KEY, Stack
from tests.waiting import wait_until

FOLDERS = [Path(__file__).parent / name for name in ("cases", "filtered_cases")]
#: What the cases of a folder are sold by.
CATALOG = "catalog.toml"


@dataclass(frozen=True)
class Word:
    """What a person says of a payment, as options of `coinflowctl payments resolve`."""

    payment_id: str
    options: Sequence[str]


@dataclass(frozen=True)
class Case:
    name: str
    #: Each a list of bodies to deliver and of persons' words.
    steps: Sequence[Sequence[str | Word]]
    #: What each wallet holds in the end, by item.
    wallets: Mapping[str, Mapping[str, int]]
    #: The reasons for which each payment is listed for a person.
    visible: Mapping[str, Collection[str]]
    states: Mapping[str, str]
    #: Another order of the steps would end otherwise.
    arrival_decides: bool

    @property
    def payment_ids(self) -> set[str | None]:
        return {
            each.payment_id if isinstance(each, Word) else read_packet(each).payment_id
            for step in self.steps
            for each in step
        }


def read_cases(folder: Path) -> list[Case]:
    """Return the cases that lie in a folder."""
    return [read_case(path) for path in sorted(folder.glob("*.json"))]


def read_case(path: Path) -> Case:
    """Return the case that a file tells."""
    told = json.loads(path.read_text())
    common = {name: told[name] for name in ("payment", "wallet") if name in told}
    return Case(
        path.stem,
        [[_part({**common, **part}) for part in step] for step in told["steps"]],
        told["right"]["wallets"],
        told["right"].get("visible", {}),
        told["right"].get("states", {}),
        told.get("arrival_decides", False),
    )


def _part(part: Mapping[str, Any]) -> str | Word:
    if "resolve" in part:
        return Word(part["payment"], part["resolve"])
    packet = sample(part["eventType"], part.get("version", 3))
    packet["created"] = part["created"]
    if "item" not in part and "webhookInfo" in packet["data"]:
        packet["data"]["webhookInfo"] = None
    with_identity(
        packet,
        payment_id=part["payment"],
        wallet=part.get("wallet"),
        item=part.get("item"),
        quantity=part.get("quantity"),
        cents=part.get("cents"),
    )
    for path, value in part.get("data", {}).items():
        apply(packet, f"data.{path}", json.dumps(value))
    return json.dumps(packet)


def play(stack: Stack, engine: Engine, cases: Sequence[Case]) -> None:
    """Let all cases happen at once: first the first step of each, and so on."""
    delivered: set[str] = set()
    with httpx2.Client(headers={"Authorization": KEY}, timeout=10) as client, ThreadPoolExecutor(16) as pool:

        def deliver(body: str) -> int:
            return client.post(stack.url, content=body.encode()).status_code

        for number, steps in enumerate(zip_longest(*(case.steps for case in cases), fillvalue=())):
            parts = [part for step in steps for part in step]
            bodies = [part for part in parts if not isinstance(part, Word)]
            Random(number).shuffle(bodies)
            assert set(pool.map(deliver, bodies)) <= {200}
            delivered |= {read_packet(body).key for body in bodies}
            _wait_until_handled(stack, engine, len(delivered))
            for part in parts:
                if isinstance(part, Word):
                    stack.ctl("payments", "resolve", part.payment_id, *part.options, "--reason", "a case")


def _wait_until_handled(stack: Stack, engine: Engine, count: int) -> None:
    pending = select(func.count()).where(handler_runs.c.state == RunState.PENDING)

    def handled() -> bool:
        with engine.connect() as connection:
            stored = connection.execute(select(func.count()).select_from(events)).scalar_one()
            return stored == count and not connection.execute(pending).scalar_one()

    wait_until(handled, what=f"{count} events are handled", log=lambda: stack.log("worker"))


def held(stack: Stack, wallet: str) -> dict[str, int]:
    """Return what a wallet may use, by item."""
    usable: dict[str, int] = {}
    for item in stack.wallet(wallet):
        if item["status"] == "granted":
            usable[item["item"]] = usable.get(item["item"], 0) + item["quantity"]
    return usable


def visible(stack: Stack) -> dict[str, list[str]]:
    """Return the reasons for which payments are listed for a person."""
    reasons: dict[str, list[str]] = {}
    for payment_id, reason in _listed(stack):
        reasons.setdefault(payment_id, []).append(reason)
    return {payment_id: sorted(each) for payment_id, each in reasons.items()}


def states(stack: Stack) -> dict[str, str]:
    """Return the state of each payment."""
    return {each["payment_id"]: each["state"] for each in stack.read("payments", "list", "--limit", "1000")}


def _listed(stack: Stack) -> Iterator[tuple[str, str]]:
    for line in stack.read("payments", "list", "--attention", "--limit", "1000"):
        yield line["payment_id"], line["reason"]
