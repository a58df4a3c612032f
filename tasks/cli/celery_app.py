"""The product's Celery application, for commands that send messages or look at them."""

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
