"""The command line as a tree, its examples, and words as its commands read them."""

import shlex
from collections.abc import Iterator, Sequence

import click

from tasks.cli import main


def parsed(*words: str) -> click.Context:
    """Return the context of the command that is called for. Raises UsageError where it cannot be read."""
    command: click.Command = main
    name: str | None = "coinflowctl"
    context, rest = click.Context(main, info_name=name), list(words)
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


def examples_of(command: click.Command) -> Sequence[str]:
    """Return the lines that a command's help shows as examples."""
    lines = map(str.strip, (command.epilog or "").splitlines())
    return [line for line in lines if line.startswith("coinflowctl ")]


def words_of(line: str) -> Sequence[str]:
    """Return what a line says to `coinflowctl`; where its output goes is the shell's."""
    return shlex.split(line.partition(" > ")[0])[1:]
