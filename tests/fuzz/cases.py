"""Requests near the real ones: samples with something changed, from the value of a field to a single byte.

Everything is drawn from one `random.Random`: a seed is a case, and hypothesis, which brings a `Random` of its
own, can shrink one. It begins with zeros, so a zero must be the plainest choice.
"""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from hypothesis import strategies as st

from receiver.authentication import sign
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.coinflow.samples import sample

KEY = b"key-that-no-log-may-show"
PATH = "/webhooks/coinflow"
MAX_BODY_BYTES = 20_000
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and whether its sender is entitled to a 200."""

    method: str
    path: str
    headers: Headers
    body: bytes
    authentic: bool
    #: How the body is cut into pieces.
    piece: int


@cache
def _sample(event_type: str, version: int) -> str:
    return json.dumps(sample(event_type, 2 if version == 2 else 3))


_TYPES = [*EVENT_TYPES, *["Settled"] * 40, "Some Future Event"]
_TEXTS = [
    "",
    " ",
    "\0",
    "\ud83d",
    "\udfff\ud800",
    "\u202e\u200f",
    "\x1b[31m\r\n",
    "'; DROP TABLE events; --",
    "../%2f",
    "Settled",
    " settled",
    "x" * 5000,
    "\u4e00" * 3000,
    '{"item": "sword"}',
    "\ufeff",
    "1e400",
]
_VALUES: list[Any] = [
    *_TEXTS,
    None,
    True,
    False,
    0,
    -1,
    1.5,
    500,
    500.0,
    2**31,
    2**63,
    2**64,
    -(10**30),
    10**399,
    10**4299,
    1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    {"item": "sword", "quantity": 2**63},
    {"cents": 500, "currency": "EUR"},
    {"": {"": {}}},
]
_TOKENS = [
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xed\xa0\xbd",
    b"\0",
    rb"\ud83d",
    rb"\u0000",
    b"[" * 300,
    b'{"a":' * 300,
    b'"',
    b",",
    b"}",
    b"\\",
    b'"eventType": 1,',
]


def make_case(random: Random) -> Case:
    """Draw a case."""
    body = _body(random)
    headers, authentic = _credentials(random, body)
    while random.random() > 0.9:
        headers.append((_bytes(random, b"abcdefghijklmnop-", 12) or b"x", _bytes(random, _VISIBLE, 60)))
    return Case(
        method="POST"
        if random.random() < 0.97
        else random.choice(["GET", "HEAD", "PUT", "OPTIONS", "PATCH"]),
        path=PATH if random.random() < 0.97 else random.choice([PATH + "/", "/", "//", "/healthz", "/x%00"]),
        headers=headers,
        body=body,
        authentic=authentic,
        piece=random.choice([1000, 100_000]),
    )


#: The same for hypothesis.
cases: st.SearchStrategy[Case] = st.randoms(use_true_random=False).map(make_case)

_VISIBLE = bytes([*range(0x20, 0x7F), *range(0x80, 0x100)])


def _bytes(random: Random, alphabet: bytes, most: int) -> bytes:
    return bytes(random.choice(alphabet) for _ in range(random.randrange(most)))


def _body(random: Random) -> bytes:
    packet = json.loads(_sample(random.choice(_TYPES), random.choice([2, 3])))
    while random.random() > 0.4:
        random.choice([_replace, _replace, _remove, _add, _swap])(random, packet)
    text = json.dumps(packet, ensure_ascii=random.random() < 0.8)
    body = text.encode("utf-8", "surrogatepass")
    while random.random() > 0.85:
        at = random.randrange(len(body) + 1)
        body = random.choice(_BYTEWISE)(random, body, at)
    return body


def _place(random: Random, packet: Any) -> tuple[dict[str, Any], str]:
    """Return some object in the packet and one of its names."""
    place = packet
    while True:
        name = random.choice([*place]) if place else ""
        inner = place.get(name)
        if not isinstance(inner, dict) or random.random() < 0.2:
            return place, name
        place = inner


def _replace(random: Random, packet: Any) -> None:
    place, name = _place(random, packet)
    place[name] = copy.deepcopy(random.choice(_VALUES))


def _remove(random: Random, packet: Any) -> None:
    place, name = _place(random, packet)
    place.pop(name, None)


def _add(random: Random, packet: Any) -> None:
    place, _ = _place(random, packet)
    place[random.choice(_TEXTS)] = copy.deepcopy(random.choice(_VALUES))


def _swap(random: Random, packet: Any) -> None:
    (here, one), (there, other) = _place(random, packet), _place(random, packet)
    # Copies: an object inside itself is no JSON.
    taken = copy.deepcopy((there.get(other), here.get(one)))
    here[one], there[other] = taken


_BYTEWISE: list[Callable[[Random, bytes, int], bytes]] = [
    lambda random, body, at: body[:at] + random.choice(_TOKENS) + body[at:],
    lambda random, body, at: body[:at] + bytes([random.randrange(256)]) + body[at + 1 :],
    lambda _random, body, at: body[:at],
    lambda _random, body, at: body[at:],
    lambda _random, body, at: body + body[:at],
    lambda _random, body, at: body.ljust(min(30 * at, 10 * MAX_BODY_BYTES)),
    lambda _random, body, _at: body.decode("utf-8", "replace").encode("utf-16"),
]


def _credentials(random: Random, body: bytes) -> tuple[Headers, bool]:
    now = int(time.time())
    key = (b"authorization", KEY)
    signature = (b"coinflow-signature", sign(KEY, body, now).encode())
    draw = random.random()
    if draw < 0.6:
        return [key], True
    if draw < 0.75:
        return [signature], True
    if draw < 0.85:
        return [key, signature], True
    wrong = [
        (b"authorization", b"Bearer " + KEY),
        (b"authorization", KEY[:-1] + _bytes(random, _VISIBLE, 5).replace(b"w", b"")),
        (b"coinflow-signature", sign(KEY, body + b" ", now).encode()),
        (b"coinflow-signature", sign(b"other", body, now).encode()),
        (b"coinflow-signature", sign(KEY, body, now + random.choice([-1, 1]) * 200_000).encode()),
        (b"coinflow-signature", signature[1][: random.randrange(len(signature[1]))]),
        (b"coinflow-signature", _bytes(random, b"t=v1,0123456789abcdef ", 80)),
    ]
    return random.choice([[], [random.choice(wrong)], [key, random.choice(wrong)]]), False
