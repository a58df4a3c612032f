"""Requests as bytes, right and wrong ones: the rows of `test_door`."""

import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.authentication import sign
from tasks.coinflow.samples import sample, with_identity

KEY = b"key-of-a-test"
NEXT_KEY = b"next-key"
PATH = "/webhooks/coinflow"
#: What proxies say of the way that a request came by, and what contradicts itself.
FORWARDED = {
    "https and not": ("X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"),
    "http and https": ("X-Forwarded-Proto: http", "X-Forwarded-Ssl: on"),
    "twice": ("X-Forwarded-Proto: https", "X-Forwarded-Proto: http"),
    "a list": ("X-Forwarded-Proto: https,http", "X-Forwarded-Protocol: ssl"),
    "three ways": ("X-Forwarded-Protocol: ssl", "X-Forwarded-Proto: http", "X-Forwarded-Ssl: off"),
    "an older way": ("X-Forwarded-Protocol: https", "X-Forwarded-Proto: https"),
    "by the standard": ("Forwarded: proto=http;host=a, proto=https", "X-Forwarded-Proto: https"),
    "nonsense": ("X-Forwarded-Proto: ", "X-Forwarded-Ssl: \xff", "X-Forwarded-For: a;b", "Forwarded: ==,;"),
    "elsewhere": ("Script_Name: /elsewhere", "Script-Name: /there", "Path_Info: /healthz"),
    "as other names": ("X-Forwarded-Host: a, b", "X-Forwarded-Port: 0", "X_Forwarded_Proto: https"),
}
#: 10,000 bytes that compress badly.
LONG = "".join(chr(0x4E00 + (each * 7919) % 20_000) for each in range(3_334))


@dataclass(frozen=True, slots=True)
class Row:
    """A request and what must come of it."""

    name: str
    #: What is sent; each part but the first waits for an answer to the one before.
    parts: Sequence[bytes]
    #: The statuses that are answered, in order.
    statuses: Sequence[int]
    #: The title of the last answer, if it refuses.
    title: str | None
    #: None if nothing is to be stored; else "granted", "no handler" or the error of the dead letter.
    outcome: str | None


def http(  # noqa: PLR0913  # each argument is one thing that a request can have wrong
    body: bytes = b"",
    *lines: str | bytes,
    method: str = "POST",
    path: str = PATH,
    version: str = "1.1",
    length: int | None = -1,
    key: bytes | None = KEY,
) -> bytes:
    """Return a request that ends its connection; `length` None sends none."""
    head: list[str | bytes] = [f"{method} {path} HTTP/{version}", "Host: test", "Connection: close", *lines]
    if key is not None:
        head.append(b"Authorization: " + key)
    if length is not None:
        head.append(f"Content-Length: {len(body) if length < 0 else length}")
    return b"\r\n".join([*(line if isinstance(line, bytes) else line.encode() for line in head), b"", body])


def chunked(body: bytes) -> bytes:
    """Return a body in chunks of 1,000 bytes."""
    chunks = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])


def settled(name: str, **changes: Any) -> bytes:
    """Return a purchase of one sword that says which row it is, and otherwise differs in `changes`."""
    packet = sample("Settled")
    with_identity(packet, payment_id=f"pay {name}", wallet=f"wallet {name}", item="sword", cents=500)
    packet["data"]["row"] = name
    for field, value in changes.items():
        (packet if field in packet else packet["data"])[field] = value
    return json.dumps(packet).encode()


def signed(body: bytes, *, age: int = 0, key: bytes = KEY) -> str:
    """Return a line with a signature, made `age` seconds ago."""
    return f"Coinflow-Signature: {sign(key, body, int(time.time()) - age)}"


def rows() -> list[Row]:
    """Return the table."""
    return [*_credentials(), *_texts(), *_envelopes(), *_contents(), *_transfers()]


def _taken(name: str, request: Callable[[bytes], bytes], body: bytes = b"", outcome: str = "granted") -> Row:
    return Row(name, [request(body or settled(name))], [200], None, outcome)


def _refused(name: str, status: int, title: str, request: bytes) -> Row:
    return Row(name, [request], [status], title, None)


def _credentials() -> Iterator[Row]:
    body = settled("credentials")
    yield _taken("key", http)
    yield _taken("next key of a rotation", lambda body: http(body, key=NEXT_KEY))
    yield _taken("blanks around the key", lambda body: http(body, key=b" \t" + KEY + b"  "))
    yield _taken("signature", lambda body: http(body, signed(body), key=None))
    yield _taken("signature with the next key", lambda body: http(body, signed(body, key=NEXT_KEY), key=None))
    yield _taken("signature of 35 hours ago", lambda body: http(body, signed(body, age=35 * 3600)))
    yield _taken("several v1, one right", lambda body: http(body, signed(body) + ",v1=" + "0" * 64))
    yield _taken("v1 before t", lambda body: http(body, _turned(signed(body))))
    for name, lines, key in (
        ("no credential", [], None),
        ("empty key", [], b""),
        ("wrong key", [], b"wrong"),
        ("key with a prefix", [], b"Bearer " + KEY),
        ("key in capitals", [], KEY.upper()),
        ("key of other bytes", [], b"\xff\xfe\x80key"),
        ("key of 3,000 bytes", [], b"k" * 3000),
        ("key twice", [b"Authorization: " + KEY], KEY),
        ("wrong key beside the right one", ["Authorization: wrong"], KEY),
        ("signature of another body", [signed(b"{}")], KEY),
        ("signature with a wrong key", [signed(body, key=b"wrong")], None),
        ("signature of 37 hours ago", [signed(body, age=37 * 3600)], KEY),
        ("signature of 37 hours ahead", [signed(body, age=-37 * 3600)], KEY),
        ("signature and something else", [signed(body) + ",junk"], KEY),
        ("empty signature", ["Coinflow-Signature:"], KEY),
        ("signature in another header", [signed(body).replace("Coinflow", "X-Coinflow")], None),
    ):
        yield _refused(name, 401, "Not authentic", http(body, *lines, key=key))
    yield _refused("wrong key and no JSON", 401, "Not authentic", http(b"{", key=b"wrong"))
    yield _refused("key of 10,000 bytes", 431, "Headers too large", http(body, key=b"k" * 10_000))


def _turned(line: str) -> str:
    name, _, value = line.partition(": ")
    return f"{name}: {','.join(reversed(value.split(',')))}"


def _texts() -> Iterator[Row]:
    def with_text(name: str, text: str) -> bytes:
        return settled(name).replace(b'"row":', f'"odd": {text}, "row":'.encode())

    for name, text in (
        ("integer of 400 digits", "7" * 400),
        ("number beyond a float", "1e400"),
        ("NUL in a name and a value", r'{"\u0000": "\u0000"}'),
        ("half a character in a name and a value", r'{"\ud800": "\udfff\ud83d"}'),
        ("150 levels of arrays", "[" * 150 + "]" * 150),
        ("name twice", '1, "odd": 2'),
    ):
        yield _taken(name, http, with_text(name, text))
    twice = settled("subtotal twice, the last one counts").replace(
        b'"row":', b'"subtotal": {"cents": 1}, "row":'
    )
    yield _taken("subtotal twice, the last one counts", http, twice, "PriceMismatch")
    body = settled("texts")
    for name, broken in (
        ("NaN", with_text(name="texts", text="NaN")),
        ("Infinity", with_text(name="texts", text="-Infinity")),
        ("integer of 5,000 digits", with_text(name="texts", text="7" * 5000)),
        ("10,000 levels of arrays", with_text(name="texts", text="[" * 10_000 + "]" * 10_000)),
        ("10,000 levels that never end", b"[" * 10_000),
        ("byte order mark", b"\xef\xbb\xbf" + body),
        ("UTF-16", body.decode().encode("utf-16")),
        ("invalid UTF-8", body.replace(b"sword", b"sw\xffrd")),
        ("half a character in UTF-8", body.replace(b"sword", b"sw\xed\xa0\xbdrd")),
        ("control character", body.replace(b"sword", b"sw\0rd")),
        ("comma at the end", body[:-1] + b",}"),
        ("two documents", body + body),
        ("empty body", b""),
        ("null", b"null"),
        ("array", b"[" + body + b"]"),
        ("string", json.dumps(body.decode()).encode()),
        ("number", b"1"),
    ):
        yield _refused(name, 400, "Not a Coinflow event", http(broken))
    compressed = http(gzip.compress(body), "Content-Encoding: gzip")
    yield _refused("gzip", 400, "Not a Coinflow event", compressed)


def _envelopes() -> Iterator[Row]:
    for name, event_type in (
        ("eventType of 10 kB", LONG),
        ("eventType with control characters", "Set\0tled\x1b[31m\r\n"),
        ("eventType in other case", "SETTLED"),
        ("eventType with blanks around", " Settled "),
        ("eventType with half a character", "Settled\ud83d"),
        ("eventType that nobody knows", "Some Future Event"),
    ):
        yield _taken(name, http, settled(name, eventType=event_type), "no handler")
    for name, created in (
        ("created empty", ""),
        ("created in words", "yesterday at noon"),
        ("created as seconds", "1790000000"),
        ("created of 10 kB", LONG),
        ("created with NUL", "2026\0"),
    ):
        yield _taken(name, http, settled(name, created=created))
    for name, changes in (
        ("eventType empty", {"eventType": ""}),
        ("eventType a number", {"eventType": 1}),
        ("eventType a list", {"eventType": ["Settled"]}),
        ("created a number", {"created": 1_790_000_000}),
        ("created null", {"created": None}),
        ("data null", {"data": None}),
        ("data a list", {"data": []}),
        ("data a string", {"data": "{}"}),
    ):
        yield _refused(name, 400, "Not a Coinflow event", http(settled("envelopes", **changes)))
    yield _refused("eventType missing", 400, "Not a Coinflow event", http(b'{"created": "", "data": {}}'))


def _contents() -> Iterator[Row]:
    nested: Any = {}
    for _ in range(150):
        nested = {"deeper": nested}
    for name, outcome, changes in (
        ("id empty", "PayloadInvalid", {"id": ""}),
        ("id of 10 kB", "PayloadInvalid", {"id": LONG}),
        ("id with NUL", "PayloadInvalid", {"id": "pay\0"}),
        ("id a number", "granted", {"id": 7}),
        ("id a list", "PayloadInvalid", {"id": ["pay"]}),
        ("id with a slash", "granted", {"id": "../pay/1"}),
        ("id with quotes", "granted", {"id": "'\"`"}),
        ("id with SQL", "granted", {"id": "'; DROP TABLE events; --"}),
        ("cents negative", "PayloadInvalid", {"subtotal": {"cents": -500}}),
        ("cents zero", "PriceMismatch", {"subtotal": {"cents": 0}}),
        ("cents huge", "PayloadInvalid", {"subtotal": {"cents": 10**30}}),
        ("cents of 400 digits", "PayloadInvalid", {"subtotal": {"cents": 10**399}}),
        ("cents fractional", "PayloadInvalid", {"subtotal": {"cents": 499.5}}),
        ("cents a whole float", "granted", {"subtotal": {"cents": 500.0}}),
        ("cents a string", "granted", {"subtotal": {"cents": "500"}}),
        ("cents a string with a point", "PayloadInvalid", {"subtotal": {"cents": "5.00"}}),
        ("cents true", "PayloadInvalid", {"subtotal": {"cents": True}}),
        ("cents null", "PayloadInvalid", {"subtotal": {"cents": None}}),
        ("subtotal a number", "PayloadInvalid", {"subtotal": 500}),
        ("subtotal missing", "PayloadInvalid", {"subtotal": None}),
        ("foreign currency", "PriceMismatch", {"subtotal": {"cents": 500, "currency": "EUR"}}),
        ("the price list's currency", "granted", {"subtotal": {"cents": 500, "currency": "USD"}}),
        ("webhookInfo huge", "granted", {"webhookInfo": {"item": "sword", "note": "x" * 900_000}}),
        ("webhookInfo deeply nested", "granted", {"webhookInfo": {"item": "sword", "note": nested}}),
        ("webhookInfo an object as a string", "granted", {"webhookInfo": '{"item": "sword"}'}),
        ("webhookInfo a string", "unmatched", {"webhookInfo": "sword"}),
        ("webhookInfo a list", "unmatched", {"webhookInfo": ["sword"]}),
        ("webhookInfo null", "unmatched", {"webhookInfo": None}),
        ("item of 10 kB", "ItemUnknown", {"webhookInfo": {"item": LONG}}),
        ("item with SQL", "ItemUnknown", {"webhookInfo": {"item": "sword'; --"}}),
        (
            "quantity of 400 digits",
            "QuantityInvalid",
            {"webhookInfo": {"item": "sword", "quantity": 10**399}},
        ),
        ("wallet missing", "WalletInvalid", {"customerId": None, "rawCustomerId": None}),
        ("wallet empty", "WalletInvalid", {"customerId": "", "rawCustomerId": ""}),
        ("wallet of 10 kB", "WalletInvalid", {"rawCustomerId": LONG}),
        ("wallet with NUL", "WalletInvalid", {"rawCustomerId": "alice\0"}),
        ("wallet with right-to-left marks", "granted", {"rawCustomerId": "\u202ealice\u200f"}),
        ("wallet with half a character", "granted", {"rawCustomerId": "alice \ud83d"}),
    ):
        yield _taken(name, http, settled(name, **changes), outcome)


def _transfers() -> Iterator[Row]:
    body = settled("transfers")
    yield _taken("HTTP/1.0", lambda body: http(body, version="1.0"))
    yield _taken("chunked", lambda body: http(chunked(body), "Transfer-Encoding: chunked", length=None))
    yield _taken("question mark behind the path", lambda body: http(body, path=PATH + "?a=%00"))
    yield _taken("path with %2f", lambda body: http(body, path="/webhooks%2fcoinflow"))
    for name, lines in FORWARDED.items():
        yield Row(f"forwarded, {name}", [http(settled(f"forwarded, {name}"), *lines)], [200], None, "granted")
    pipelined = [settled(f"pipelined {each}") for each in (1, 2)]
    first = http(pipelined[0]).replace(b"Connection: close\r\n", b"")
    yield Row("pipelined 2", [first + http(pipelined[1])], [200, 200], None, "granted")
    patient = http(settled("Expect"), "Expect: 100-continue")
    at = patient.index(b"\r\n\r\n") + 4
    yield Row("Expect", [patient[:at], patient[at:]], [100, 200], None, "granted")
    yield Row("OPTIONS", [http(method="OPTIONS")], [200], None, None)
    yield Row("HEAD", [http(method="HEAD")], [405], None, None)
    for name, status, title, request in (
        ("GET", 405, "Method not allowed", http(method="GET")),
        ("PUT", 405, "Method not allowed", http(body, method="PUT")),
        ("WebSocket", 405, "Method not allowed", http(b"", *_WEBSOCKET, method="GET")),
        ("slash behind the path", 404, "Not found", http(body, path=PATH + "/")),
        ("path in capitals", 404, "Not found", http(body, path=PATH.upper())),
        ("two dots in the path", 404, "Not found", http(body, path="/x/.." + PATH)),
        ("method that nobody knows", 400, "Not HTTP", http(body, method="FOO")),
        ("method in small letters", 400, "Not HTTP", http(body, method="post")),
        ("HTTP/2", 400, "Not HTTP", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("TLS", 400, "Not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n"),
        ("length beside chunks", 400, "Not HTTP", http(chunked(body), "Transfer-Encoding: chunked")),
        ("two lengths", 400, "Not HTTP", http(body, "Content-Length: 1")),
        ("negative length", 400, "Not HTTP", http(body, "Content-Length: -1", length=None)),
        ("length in words", 400, "Not HTTP", http(body, "Content-Length: ten", length=None)),
        ("chunk without a size", 400, "Not HTTP", http(b"zz\r\n", "Transfer-Encoding: chunked", length=None)),
        ("gzip as transfer", 400, "Not HTTP", http(body, "Transfer-Encoding: gzip", length=None)),
        ("unknown transfer", 501, "Not implemented", http(body, "Transfer-Encoding: x", length=None)),
        ("blank before a colon", 400, "Not HTTP", http(body, "Name : x")),
        ("folded header", 400, "Not HTTP", http(body, "Name: x\r\n y")),
        ("NUL in a header", 400, "Not HTTP", http(body, b"Name: \0")),
        ("line feed alone", 400, "Not HTTP", http(body).replace(b"\r\n", b"\n")),
        ("length too short", 400, "Not a Coinflow event", http(body, length=20)),
        ("no length", 400, "Not a Coinflow event", http(body, length=None)),
        ("100 header lines", 431, "Headers too large", http(body, *["Name: x"] * 100)),
        ("header line of 5,000 bytes", 431, "Headers too large", http(body, "Name: " + "x" * 5000)),
        ("length of 5,000 digits", 431, "Headers too large", http(body, "Content-Length: " + "9" * 5000)),
        ("path of 5,000 bytes", 414, "Address too long", http(body, path="/" + "x" * 5000)),
        ("body of 1 byte too many", 413, "Body too large", http(body.ljust(2**20 + 1))),
        ("body of 10 MB", 413, "Body too large", http(body.ljust(10_000_000))),
        (
            "body of 3 MB in chunks",
            413,
            "Body too large",
            http(chunked(body.ljust(3_000_000)), "Transfer-Encoding: chunked", length=None),
        ),
    ):
        yield _refused(name, status, title, request)


_WEBSOCKET = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",  # pragma: allowlist secret
)
