"""gunicorn's `asgi` worker, with what it leaves open closed.

gunicorn 27 bounds the request line and the number and size of headers, and refuses whatever is ambiguous
about a request's length. On this worker it bounds neither the connections nor the time until a request has
arrived, queues few of those that come at once, takes WebSockets, and answers what is not HTTP with plain text
that quotes it.
"""

import json
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from receiver.answers import OF_THE_SERVERS, TOO_SLOW

#: Seconds within which the head of a request, and then its body, must have come. Coinflow waits 5 s in all.
#: Falcon could bound the body's time, but gunicorn keeps the connection of a body that never ends.
REQUEST_TIMEOUT = 10.0


class Connection(ASGIProtocol):  # type: ignore[misc]  # gunicorn ships no types
    """One connection of a sender's."""

    def connection_made(self, transport: Any) -> None:
        """Take the connection, unless there are too many, and begin to wait for its first request."""
        self._is_body_due = False
        self._expect_more()
        super().connection_made(transport)
        if self.worker.nr_conns > self.cfg.worker_connections:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._deadline.cancel()
        super().connection_lost(exc)

    def _on_headers_complete(self) -> Any:
        self._deadline.cancel()
        self._is_body_due = True
        return super()._on_headers_complete()

    def _on_message_complete(self) -> None:
        # The next request may take `keepalive` seconds, for which gunicorn has a timer.
        self._deadline.cancel()
        self._is_body_due = False
        super()._on_message_complete()

    def _feed_callback_parser(self, data: bytes) -> Any:
        goes_on = super()._feed_callback_parser(data)
        # Most bodies come together with their heads, and need no timer.
        if goes_on and self._is_body_due and self._deadline.cancelled():
            self._expect_more()
        return goes_on

    def _expect_more(self) -> None:
        self._deadline = self.worker.loop.call_later(REQUEST_TIMEOUT, self._expire)

    def _expire(self) -> None:
        self._send_error_response(TOO_SLOW.status, "")
        self._keepalive_timeout()

    def _send_error_response(self, status: int, _message: str, _headers: object = ()) -> None:
        # gunicorn's message quotes the request, which may hold a credential in the wrong place.
        if self.transport.is_closing():
            # It was ended already, such as by a time-out that the application heard of as well.
            return
        answer = OF_THE_SERVERS[status]
        # The application leaves it there when it starts.
        self.worker.state["tally"].refuse(status, answer.reason)
        body = json.dumps(answer.document())
        self._safe_write(
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
        )

    def _is_websocket_upgrade(self, _request: object) -> bool:
        return False


class Worker(gasgi.ASGIWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Serves each connection by `Connection`."""

    def init_process(self) -> None:
        """Run until told to stop."""
        # gunicorn has no setting for it: the worker makes connections of whatever its module calls so.
        gasgi.ASGIProtocol = Connection
        super().init_process()

    def handle_exit_signal(self) -> None:
        """Stop when all connections have ended, or be killed after `graceful_timeout`."""
        super().handle_exit_signal()
        self._hurry()

    def handle_quit_signal(self) -> None:
        """Stop at once."""
        super().handle_quit_signal()
        self._hurry()

    def _hurry(self) -> None:
        # The application has left it there, unless it is only starting.
        if hurry := self.state.get("hurry"):
            hurry()

    def _setup_event_loop(self) -> None:
        super()._setup_event_loop()
        # asyncio would cut gunicorn's queue of connections that wait to be accepted down to 100.
        self.loop.create_server = partial(self.loop.create_server, backlog=self.cfg.backlog)
