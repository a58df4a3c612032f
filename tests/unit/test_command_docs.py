"""`python -m tests.unit.test_command_docs` writes docs/reference/coinflowctl.md from the commands' help."""

import inspect
from typing import TypeGuard

import click

from tests.commands import described, examples_of
from tests.stack import ROOT

PAGE = ROOT / "docs" / "reference" / "coinflowctl.md"
HEAD = """# `coinflowctl`

The command line, for sending sample events, reading what became of them, and operating what needs a person.
On a machine of your own it is `.venv/bin/coinflowctl` after `make run`, elsewhere `bin/coinflowctl`, and on
Heroku `coinflowctl`.

It reads the same [environment](environment.md) as the other processes. Commands print a table, or a document
with `--json`. Times are UTC unless they name a zone, as `2026-11-25`, `"2026-11-25 10:00:00"`, or ISO 8601.
`--help` after any command prints what stands here.

The exit code says how it went:

- `0`: the command did what it says. So did one that found nothing to list, and `doctor` where all that it
  found is work for a person.
- `1`: it could not, or could not do all of it; standard error says why, and what to do. Or somebody answered
  no, or pressed Ctrl-C. Or `trigger` heard another answer than 200, or `doctor` found a FAULT.
- `2`: it was typed wrongly. There is no such command or option, a value is none, or something is missing.
  Nothing was done.

Where `coinflowctl` is on the path, the shell completes its words. Put the line of your shell into its file:

| file | line |
| --- | --- |
| `~/.bashrc` | `eval "$(_COINFLOWCTL_COMPLETE=bash_source coinflowctl)"` |
| `~/.zshrc` | `eval "$(_COINFLOWCTL_COMPLETE=zsh_source coinflowctl)"` |
| `~/.config/fish/config.fish` | `eval (env _COINFLOWCTL_COMPLETE=fish_source coinflowctl)` |
"""


def page() -> str:
    """Return what the page must be."""
    return HEAD + "".join(section(names, command) for names, command in described())


def section(names: tuple[str, ...], command: click.Command) -> str:
    """Return a command's part of the page."""
    taken = [each.make_metavar(click.Context(command)) for each in command.params if not is_option(each)]
    title = " ".join(["coinflowctl", *names, *taken])
    text = f"\n{'#' * (len(names) + 1)} `{title}`\n\n{inspect.cleandoc(command.help or '')}\n"
    if lines := examples_of(command):
        text += "\n".join(["\n```sh", *lines, "```\n"])
    if options := [row(each) for each in command.params if is_option(each) and not each.hidden]:
        text += "\n| option | meaning |\n| --- | --- |\n" + "".join(options)
    return text


def is_option(parameter: click.Parameter) -> TypeGuard[click.Option]:
    return isinstance(parameter, click.Option)


def row(option: click.Option) -> str:
    """Return an option's row of its table."""
    meaning = [option.help] if option.help else []
    if isinstance(option.type, click.Choice):
        meaning.append(f"One of {', '.join(f'`{choice}`' for choice in option.type.choices)}.")
    if option.required:
        meaning.append("Required.")
    elif option.show_default:
        meaning.append(f"`{option.default}` unless given.")
    return f"| `{' '.join(filter(None, [option.opts[0], value(option)]))}` | {' '.join(meaning)} |\n"


def value(option: click.Option) -> str:
    """Return what stands for an option's value; nothing for a flag."""
    if option.is_flag:
        return ""
    if option.metavar:
        return option.metavar
    return {click.types.IntRange: "NUMBER", click.types.IntParamType: "NUMBER", click.DateTime: "TIME"}.get(
        type(option.type), "TEXT"
    )


def test_the_page_says_what_the_commands_say() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.unit.test_command_docs`"


if __name__ == "__main__":
    PAGE.write_text(page())
