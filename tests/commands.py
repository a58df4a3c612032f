"""The command line as a tree, and words as its commands read them."""

from collections.abc import Iterator

import click

from tasks.cli import main


def parsed(*words: str) -> click.Context:
    """Return the context of the command that is called for. Raises UsageError where it cannot be read."""
    command: click.Command = main
    context, name, rest = click.Context(main, info_name="coinflowctl"), None, list(words)
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found
        command = found
        if isinstance(command, click.Group):
            context = click.Context(command, parent=context, info_name=name)
    return command.make_context(name, rest, parent=context)


def described(
    group: click.Group = main, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command under its names, each group before its own."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        yield (*names, name), command
        if isinstance(command, click.Group):
            yield from described(command, (*names, name))
