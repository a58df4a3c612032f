"""The receiver's composition root."""

import falcon.asgi
from falcon.asgi import Request, Response

from celeryconfig import application_marks
from receiver.answers import ANSWERS, OF_THE_SERVERS
from receiver.authentication import Authenticator
from receiver.broker import Broker
from receiver.handoff import HandOff
from receiver.health import Healthz, Readyz
from receiver.settings import Settings
from receiver.webhooks import Webhooks


class _Lifespan:
    """Lets the publish under way finish before the process ends."""

    def __init__(self, handoff: HandOff) -> None:
        self._handoff = handoff

    async def process_shutdown(self, _scope: object, _event: object) -> None:
        await self._handoff.close()


def _serialize_error(_req: Request, resp: Response, error: falcon.HTTPError) -> None:
    # One shape for every answer, whatever the caller says it accepts.
    ours = any(error.title == answer.title for answer in ANSWERS)
    resp.media = (
        {"title": error.title, "description": error.description}
        if ours
        else OF_THE_SERVERS[error.status_code].document()
    )


def create_app(settings: Settings, broker: Broker) -> falcon.asgi.App[Request, Response]:
    """Return the ASGI application for the given collaborators."""
    handoff = HandOff(broker.publish)
    authenticator = Authenticator(
        keys=[key.get_secret_value().encode() for key in settings.validation_keys],
        require_signature=settings.require_signature,
        tolerance=settings.signature_tolerance,
    )
    app = falcon.asgi.App(middleware=[_Lifespan(handoff)])
    app.set_error_serializer(_serialize_error)
    app.add_route(settings.webhook_path, Webhooks(authenticator, handoff, settings.max_body_bytes))
    app.add_route("/healthz", Healthz())
    app.add_route("/readyz", Readyz(broker.reach))
    return app


def get_app() -> falcon.asgi.App[Request, Response]:
    """Return the application that the environment describes; gunicorn's entry point."""
    settings = Settings.load()
    return create_app(settings, Broker(application_marks(settings.validation_keys)))
