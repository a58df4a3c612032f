"""Until when the certificates are good of the servers that are reached by TLS."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import make_url

from tasks.doctor import verdicts
from tasks.doctor.finding import Finding, Level
from tasks.settings import Settings

#: Seconds for a connection, and for each answer.
_PATIENCE = 3
_PORTS = {"amqps": 5671, "rediss": 6379, "https": 443, "postgresql": 5432}
#: With which PostgreSQL's driver insists on TLS.
_INSISTING = {"require", "verify-ca", "verify-full"}
#: What PostgreSQL is asked before TLS begins, and its word for yes.
_ASK, _YES = bytes.fromhex("0000000804d2162f"), b"S"
#: Tags of ASN.1: of the version, which is optional, and of a time that has two digits for its year.
_VERSION, _SHORT_TIME = 0xA0, 0x17


class Address(NamedTuple):
    """Where a server is asked for its certificate."""

    scheme: str
    host: str
    port: int


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at each server's certificate. Nothing is sent that would tell who asks."""
    found = dict.fromkeys(addresses(settings))
    for address in found:
        yield _look(address)
    if not found:
        yield Finding(check="certificate", seen="no server is reached by TLS")


def addresses(settings: Settings) -> Iterator[Address]:
    """Yield the servers that these settings reach by TLS."""
    urls = settings.broker_url.get_secret_value().split(";")
    urls += [endpoint.url.get_secret_value() for endpoint in settings.endpoints.values()]
    for parts in map(urlsplit, urls):
        if parts.scheme in _PORTS and parts.hostname:
            yield Address(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme])
    database = make_url(settings.database_url.get_secret_value())
    if database.host and database.query.get("sslmode") in _INSISTING:
        yield Address("postgresql", database.host, database.port or _PORTS["postgresql"])


def expiry(certificate: bytes) -> datetime:
    """Return until when an X.509 certificate in DER is good. Raises ValueError."""
    try:
        (_, whole), *_ = _parts(certificate)
        (_, signed), *_ = _parts(whole)
        fields = [part for tag, part in _parts(signed) if tag != _VERSION]
        # Serial number, algorithm, issuer, validity.
        _, (tag, until) = _parts(fields[3])
        form = "%y%m%d%H%M%SZ" if tag == _SHORT_TIME else "%Y%m%d%H%M%SZ"
        return datetime.strptime(until.decode(), form).replace(tzinfo=UTC)
    except (IndexError, ValueError) as error:
        raise ValueError("what the server shows is no certificate") from error


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tags and contents of the values that follow each other."""
    while data:
        tag, length, begin = data[0], data[1], 2
        if length > 0x7F:  # noqa: PLR2004  # then it says in how many bytes the length follows
            begin += length & 0x7F
            length = int.from_bytes(data[2:begin])
        yield tag, data[begin : begin + length]
        data = data[begin + length :]


def _look(address: Address) -> Finding:
    name = f"{address.host}:{address.port}"
    try:
        until = expiry(_certificate(address))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return Finding(
            check="certificate", subject=name, level=Level.UNKNOWN, seen=f"it could not be read: {reason}"
        )
    return verdicts.on_certificate(name, until - datetime.now(UTC))


def _certificate(address: Address) -> bytes:
    # Whoever connects to do something checks whom it trusts; one that has expired must be readable here.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address.host, address.port), timeout=_PATIENCE) as plain:
        if address.scheme == "postgresql":
            plain.sendall(_ASK)
            if plain.recv(1) != _YES:
                raise ValueError("the server speaks no TLS")
        with context.wrap_socket(plain, server_hostname=address.host) as secure:
            return secure.getpeercert(binary_form=True) or b""
