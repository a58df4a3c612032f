"""The product's Celery application, for commands that send messages or look at them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from tasks.log import prepare

if TYPE_CHECKING:
    from tasks.celery import Application


def celery_app() -> "Application":
    """Return the application of the environment.

    It comes when it is asked for, since every task and the merchant's own modules come with it. Raises
    ClickException where one of those cannot be imported.
    """
    prepare()
    from tasks import celery  # noqa: PLC0415  # as said above

    try:
        return celery.app
    except Exception as error:
        raise click.ClickException(
            f"Nothing was done: a module of HANDLERS cannot be imported ({type(error).__name__}: {error}). "
            "Mend it, or leave it out of HANDLERS."
        ) from error


@contextmanager
def broker_may_fail(tell: Callable[[str], str]) -> Iterator[None]:
    """Raise ClickException where the broker is away or takes nothing; `tell` says it, given the reason."""
    try:
        yield
    except Exception as error:
        if not may_pass(error):
            raise
        raise click.ClickException(tell(str(error) or type(error).__name__)) from None


def may_pass(error: Exception) -> bool:
    """Tell whether an error is an outage."""
    # The drivers of all brokers come with them, which whoever meets no error need not wait for.
    from tasks.worker.kinds import Kind  # noqa: PLC0415  # as said above
    from tasks.worker.retries import kind  # noqa: PLC0415  # as said above

    return kind(error) is Kind.TRANSIENT
