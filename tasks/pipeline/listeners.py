"""Who is told of changes: the servers that the environment names, and functions of the merchant's."""

from collections.abc import Mapping

from tasks.celery import PREPARATIONS, Collaborators
from tasks.pipeline.routing import ROUTES
from tasks.settings import Settings
from tasks.store import endpoints
from tasks.store.clock import clock


def addresses(settings: Settings) -> Mapping[str, str]:
    """Return what is told of changes, each by its endpoint's name, as it is shown."""
    servers = {name: endpoint.address for name, endpoint in settings.endpoints.items()}
    functions = {
        name: f"{function.__module__}.{function.__qualname__}" for name, function in ROUTES.told.items()
    }
    return {**servers, **functions}


def configure(own: Collaborators) -> None:
    """Note them in the database, where whoever changes a payment finds them."""
    with own.engine.begin() as connection:
        endpoints.configure(connection, addresses(own.settings), clock(connection), own.started_at)


# A change that is written before would not be told.
PREPARATIONS.append(configure)
