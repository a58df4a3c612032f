"""The product's Celery application, for commands that send messages or look at them."""

from typing import TYPE_CHECKING

from tasks.log import prepare

if TYPE_CHECKING:
    from tasks.celery import Application


def celery_app() -> "Application":
    """Return the application of the environment.

    It comes when it is asked for, since every task and the merchant's own modules come with it.
    """
    prepare()
    from tasks import celery  # noqa: PLC0415  # as said above

    return celery.app
