"""The transport of `amqp://` and `amqps://`: kombu's, with waits that end and confirms of a queue.

Celery loads it by name, in the receiver as well as in the worker.
"""

import ssl
from typing import Any

from amqp.exceptions import MessageNacked, NotAllowed, RecoverableConnectionError
from kombu.transport import pyamqp

from tasks.embedded_broker.mandatory import Unroutable

#: Seconds that any other wait for the broker may take: a connection that falls silent (a load balancer, a
#: suspended machine) would otherwise hold its process for good. A publish has less, its CONFIRM_TIMEOUT.
STALL_TIMEOUT = 4.0


class ConnectionLimitReached(RecoverableConnectionError):
    """RabbitMQ lets no further connection in, of its node, virtual host or user, until another one ends.

    py-amqp takes it for a mistake that no further try can mend, and its process would end.
    """


class Channel(pyamqp.Channel):
    """A channel on which a publish as *mandatory* fails where no queue takes it."""

    connection: Any
    events: dict[str, set[Any]]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._returned: list[Exception] = []
        self.events["basic_return"].add(self._note_return)

    def _note_return(self, error: Exception, *_message: object) -> None:
        self._returned.append(error)

    def basic_publish_confirm(self, *arguments: Any, **options: Any) -> Any:
        """Publish, and return once the broker holds the message. Raises Unroutable."""
        self._returned.clear()
        try:
            result = super().basic_publish_confirm(*arguments, **options)
        except MessageNacked:
            raise
        except BaseException:
            # The confirm may still come, and the next publish would take it for its own.
            if self.connection is not None:
                self.connection.collect()
            raise
        # RabbitMQ returns a message first and then confirms it.
        if self._returned:
            self.connection.client.declared_entities.clear()
            raise Unroutable(f"No queue takes the message: {self._returned[0]}")
        return result


class Connection(pyamqp.Connection):
    """A connection on which no read and no write takes longer than STALL_TIMEOUT."""

    Channel = Channel

    def connect(self, callback: Any = None) -> Any:
        """Connect, which `broker_connection_timeout` bounds. Raises ConnectionLimitReached."""
        try:
            result = super().connect(callback)
        except NotAllowed as refusal:
            self.collect()
            if "limit" in str(refusal.reply_text):
                raise ConnectionLimitReached(refusal.reply_text) from None
            raise
        if self.sock is not None:
            self.sock.settimeout(STALL_TIMEOUT)
        return result

    def blocking_read(self, timeout: float | None = None) -> Any:
        """Read a frame; `timeout` in seconds is the caller's own, STALL_TIMEOUT else. Raises TimeoutError."""
        try:
            return super().blocking_read(timeout)
        except TimeoutError:
            if timeout is None:
                # Whatever else is asked of a silent connection would take as long: to close it, above all.
                self.collect()
            raise


class Transport(pyamqp.Transport):
    """The transport of `amqp://`."""

    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    """The transport of `amqps://`, whose server must prove to be the host of the address."""

    Connection = Connection
    client: Any

    def establish_connection(self) -> Any:
        """Connect; unless the address says `ssl_cert_reqs=none`, to whom its certificate names alone."""
        said = self.client.ssl if isinstance(self.client.ssl, dict) else {}
        options = {name.removeprefix("ssl_"): value for name, value in said.items()}
        is_verified = options.get("cert_reqs") not in {"none", ssl.CERT_NONE}
        options["cert_reqs"] = ssl.CERT_REQUIRED if is_verified else ssl.CERT_NONE
        # Another node of a cluster has another name.
        options["server_hostname"] = self.client.hostname if is_verified else None
        self.client.ssl = {name: value for name, value in options.items() if value is not None}
        return super().establish_connection()
