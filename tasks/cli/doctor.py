"""`coinflowctl doctor`: whether the product can work, and what to do where it cannot."""

from collections import Counter
from collections.abc import Iterator, Sequence

import click

from celeryconfig import Environment
from receiver.settings import Settings as ReceiverSettings
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import print_json, say
from tasks.doctor import broker, certificates, database, price_list_file
from tasks.doctor.finding import Finding, Level, worst
from tasks.doctor.rounds import examine_all
from tasks.serving_settings import FlowerSettings
from tasks.settings import Settings


@examples("doctor")
@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Check all that the product needs, and say in a line for each what was seen and what to do.

    A FAULT is what keeps the product from working, and the exit code is 1 then. A NOTICE is work for a
    person, such as a dead letter; the product goes on, and the exit code is 0. It looks at the environment,
    the broker with its queues and workers, sweeps, the database, the price list, the clock, endpoints and
    certificates. It takes no message, and nothing that it writes stays.
    """
    findings = _findings()
    level = worst(findings)
    if as_json:
        print_json({"level": level, "checks": findings})
    else:
        for each in findings:
            say(str(each))
        say(_summary(findings))
    if level is Level.FAULT:
        raise SystemExit(1)


def _findings() -> list[Finding]:
    faults = list(_faults_of(ReceiverSettings, FlowerSettings))
    environment = [
        Finding(
            check="environment",
            level=Level.FAULT,
            seen=fault,
            next_step="Set it as docs/reference/environment.md says, and restart the processes.",
        )
        for fault in faults
    ] or [Finding(check="environment", seen="every variable can be read")]
    try:
        settings = Settings.load()
    except SystemExit:
        return [*environment, *_unknown("broker", "database", "price list file", "certificate")]
    return environment + examine_all(
        {
            "broker": lambda: broker.examine(is_anybody_told=bool(settings.endpoints)),
            "database": lambda: database.examine(settings),
            "price list file": lambda: price_list_file.examine(settings.catalog_path),
            "certificate": lambda: certificates.examine(settings),
        }
    )


def _faults_of(*kinds: type[Environment]) -> Iterator[str]:
    """Return what the environment's reader says of each faulty variable, once."""
    said: dict[str, None] = {}
    for kind in kinds:
        try:
            kind.load()
        except SystemExit as error:
            said.update(dict.fromkeys(line.strip() for line in str(error).splitlines()[1:]))
    yield from said


def _unknown(*checks: str) -> Iterator[Finding]:
    for check in checks:
        yield Finding(check=check, level=Level.UNKNOWN, seen="the environment must be mended first")


def _summary(findings: Sequence[Finding]) -> str:
    counted = Counter(each.level for each in findings)
    return f"{counted[Level.FAULT]} faults, {counted[Level.NOTICE]} notices, {len(findings)} checks."
