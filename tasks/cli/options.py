"""Options that several commands share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _When(click.ParamType[datetime]):
    """A time in UTC unless it says another zone, as ISO 8601 has it; a date is its first moment."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value.strip().removesuffix(" UTC"))
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time such as 2026-01-31, 2026-01-31T23:59:59 or {_EXAMPLE}", param, ctx
            )


_EXAMPLE = "2026-01-31 23:59:59+01:00"
WHEN = _When()

json_option: _Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
limit_option: _Decorator = click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many, the newest."
)
