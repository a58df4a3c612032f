"""The product's Celery application, for commands that send messages or look at them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from tasks.log import prepare
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind

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
        if kind(error) is not Kind.TRANSIENT:
            raise
        raise click.ClickException(tell(str(error) or type(error).__name__)) from None
