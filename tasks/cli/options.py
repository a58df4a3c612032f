"""Options that several commands share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _When(click.DateTime):
    """A time in UTC; a date is its first moment."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        moment: datetime = super().convert(value, param, ctx)
        return moment.replace(tzinfo=UTC)


WHEN = _When(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])

json_option: _Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
limit_option: _Decorator = click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="The newest so many."
)
