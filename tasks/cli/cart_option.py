"""A cart that is typed: `--item NAME --quantity NUMBER`, as often as it has lines."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from tasks.payments.named import MOST, MOST_LINES

_ORDER = "tasks.cli.cart_option"


class CartCommand(click.Command):
    """A command that knows in which order its options were typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options as ever, and keep their order."""
        _, _, ctx.meta[_ORDER] = self.make_parser(ctx).parse_args(list(args))
        return super().parse_args(ctx, args)


def cart_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a `CartCommand` the options whose values `typed_lines` takes, as `item` and `quantity`."""
    quantity = click.option(
        "--quantity",
        type=click.IntRange(1, MOST),
        multiple=True,
        help="How many of the --item before it; 1 unless given.",
    )
    item = click.option(
        "--item", multiple=True, required=True, help="An item of the price list; again for each line."
    )
    return item(quantity(command))


def typed_lines(
    context: click.Context, item: Sequence[str], quantity: Sequence[int]
) -> Sequence[tuple[str, int]]:
    """Return the lines of the cart. Raises UsageError where it is unclear what a quantity is of."""
    typed: Sequence[Any] = [each.name for each in context.meta[_ORDER]]
    lines: list[tuple[str, int]] = []
    names, counts = iter(item), iter(quantity)
    for before, each in zip([None, *typed], typed, strict=False):
        if each == "item":
            lines.append((next(names), 1))
        elif each == "quantity":
            if not lines or before == "quantity":
                raise click.UsageError("--quantity belongs to the --item before it.")
            lines[-1] = (lines[-1][0], next(counts))
    if len(lines) > MOST_LINES:
        raise click.UsageError(f"A cart has at most {MOST_LINES} lines.")
    return lines
