"""The receiver's composition root."""

import asyncio
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import falcon.asgi
from falcon.asgi import Request, Response

from celeryconfig import application_marks, load_extra, make_extra
from receiver.answers import ANSWERS, OF_THE_SERVERS
from receiver.authentication import Authenticator
from receiver.broker import Broker
from receiver.handoff import HandOff
from receiver.health import Healthz, Readyz
from receiver.settings import Settings
from receiver.tally import Tally, TallyLog
from receiver.webhooks import Webhooks

if TYPE_CHECKING:
    from receiver.otlp import Export
    from receiver.tracing import Traces


class _Lifespan:
    """Lets the publish under way finish before the process ends, and what was counted and timed be told."""

    def __init__(
        self, handoff: HandOff, tally: Tally, traces: "Traces | None", export: "Export | None"
    ) -> None:
        self._handoff = handoff
        self._tally = tally
        self._log = TallyLog(tally)
        self._traces = traces
        self._export = export

    async def process_startup(self, scope: dict[str, Any], _event: object) -> None:
        # gunicorn's worker counts what never reaches the application, and hears first of a stop.
        scope.setdefault("state", {}).update(tally=self._tally, hurry=self._hurry)
        self._log.start()

    async def process_shutdown(self, _scope: object, _event: object) -> None:
        await self._handoff.close()
        self._log.close()
        # Both wait for a collector, each for as long as the process may.
        closing = [each.close for each in (self._traces, self._export) if each]
        await asyncio.gather(*map(asyncio.to_thread, closing))

    def _hurry(self) -> None:
        self._log.hurry()
        for each in (self._traces, self._export):
            if each:
                each.hurry()


def _serializer(tally: Tally) -> Callable[[Request, Response, falcon.HTTPError], None]:
    def serialize(_req: Request, resp: Response, error: falcon.HTTPError) -> None:
        # One shape for every answer, whatever the caller says it accepts.
        if any(error.title == answer.title for answer in ANSWERS):
            resp.media = {"title": error.title, "description": error.description}
        else:
            answer = OF_THE_SERVERS[error.status_code]
            tally.refuse(answer.status, answer.reason)
            resp.media = answer.document()

    return serialize


def create_app(
    settings: Settings,
    broker: Broker,
    traces: "Traces | None" = None,
    export: "Callable[[Tally, Settings], Export | None] | None" = None,
) -> falcon.asgi.App[Request, Response]:
    """Return the ASGI application for the given collaborators; `export` begins to tell what is counted."""
    tally = Tally()
    handoff = HandOff(broker.publish, tally)
    authenticator = Authenticator(
        keys=[key.get_secret_value().encode() for key in settings.validation_keys],
        require_signature=settings.require_signature,
        tolerance=settings.signature_tolerance,
    )
    lifespan = _Lifespan(handoff, tally, traces, export(tally, settings) if export else None)
    app = falcon.asgi.App(middleware=[lifespan])
    app.set_error_serializer(_serializer(tally))
    webhooks = Webhooks(authenticator, handoff, tally, settings.max_body_bytes, traces)
    app.add_route(settings.webhook_path, webhooks)
    app.add_route("/healthz", Healthz())
    app.add_route("/readyz", Readyz(broker.reach))
    return app


def get_app() -> falcon.asgi.App[Request, Response]:
    """Return the application that the environment describes; gunicorn's entry point."""
    settings = Settings.load()
    endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
    tracing = load_extra(endpoint, "receiver.tracing") if settings.otel_exporter_otlp_endpoint else None
    broker = Broker(application_marks(settings.validation_keys))
    if tracing is None:
        return create_app(settings, broker)
    export = partial(make_extra, import_module("receiver.otlp").Export)
    return create_app(settings, broker, make_extra(tracing.Traces, settings), export)
