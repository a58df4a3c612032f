"""`coinflowctl`: send sample events, and read what became of them.

An entry point: it alone may import from the receiver as well as from the tasks.
"""

import logging

import click
import structlog

from tasks.cli.catalog import catalog
from tasks.cli.dead_letters import dead_letters
from tasks.cli.events import events
from tasks.cli.payments import payments
from tasks.cli.subscriptions import subscriptions
from tasks.cli.trigger import trigger
from tasks.cli.wallets import wallets


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Operate the Coinflow webhook receiver and its fulfilment."""


for command in (trigger, wallets, events, payments, subscriptions, dead_letters, catalog):
    main.add_command(command)


def run() -> None:
    """Run the command that was typed; standard output is its answer's alone."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    main(prog_name="coinflowctl")
