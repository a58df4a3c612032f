"""`coinflowctl notifications`: what endpoints are told, how far that has come, and telling it again."""

from typing import Any

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.lazy_group import LazyGroup
from tasks.cli.notification_filter import filter_options, read_filter
from tasks.cli.options import json_option, limit_option
from tasks.cli.output import print_json, print_table, say_lines
from tasks.settings import Settings
from tasks.store.views import notifications as views
from tasks.store.views.notifications import NotificationLine, notification_number


@click.group(cls=LazyGroup, elsewhere={"resend": "resend"})
def notifications() -> None:
    """Read what endpoints are told, change by change; tell it again."""


@examples("notifications list --endpoint default --state dead")
@notifications.command(name="list")
@filter_options
@limit_option
@json_option
def list_notifications(*, limit: int, as_json: bool, **options: Any) -> None:
    """List notifications, the newest last: one for each change of a payment and each endpoint.

    The outcome is the last try's, with its HTTP status and the reason: `refused` asks for somebody to mend
    something, `transient` passes. One without a due time is finished, or waits for an earlier change.
    """
    with database() as connection:
        listed = views.list_notifications(connection, read_filter(connection, options), limit)
    if as_json:
        print_json(listed)
    else:
        print_table("Notifications", listed)


@examples("notifications show n1")
@notifications.command()
@click.argument("notification_id", metavar="ID")
@json_option
def show(notification_id: str, *, as_json: bool) -> None:
    """Show the notification ID: what is sent, to the byte, and what became of it."""
    number = notification_number(notification_id)
    with database() as connection:
        story = views.notification_story(connection, number, Settings.load().environment) if number else None
    if story is None:
        raise click.ClickException(
            f"There is no notification {notification_id}; `coinflowctl notifications list` names them."
        )
    if as_json:
        print_json(story)
        return
    print_table(f"Notification {story.id}, of {story.cause}", [story], of=NotificationLine)
    print_table("History", story.history)
    say_lines(f"webhook-id: {story.webhook_id}\n{story.body}")
