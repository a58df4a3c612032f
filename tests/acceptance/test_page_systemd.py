"""`docs/how-to/deploy-systemd.md`, followed to its end on a machine of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.servers import Serve
from tests.checkout import copy_checkout
from tests.documents import scripts
from tests.services import free_port
from tests.services.machine import Machine, machine
from tests.stack import KEY, ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.deployment

PAGE = scripts(ROOT / "docs" / "how-to" / "deploy-systemd.md")
#: What the page calls the merchant's repository, and where it lies on the machine.
PUBLISHED, REPOSITORY = "https://git.example/shop.git", "/srv/shop"
SERVICES = ("web", "worker", "beat")


@pytest.fixture
def booted() -> Iterator[Machine]:
    with machine() as booted:
        copy_checkout(booted.folder / REPOSITORY[1:])
        run(booted, f"git config --system url.{REPOSITORY}.insteadOf {PUBLISHED}")
        run(booted, f"cd {REPOSITORY} && git init --quiet && {commit('The shop')}")
        yield booted


def commit(subject: str) -> str:
    return f"git add . && git -c user.name=Test -c user.email=test@shop.example commit --quiet -m '{subject}'"


def run(booted: Machine, script: str) -> str:
    """Run a script, which must succeed; return what it printed."""
    done = booted.run(script)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_on_rabbitmq_the_page_deploys_upgrades_and_stops(
    booted: Machine, serve: Serve, tmp_path: Path
) -> None:
    port = free_port()
    with serve("RabbitMQ and PostgreSQL", tmp_path) as servers:
        environment = {"COINFLOW_VALIDATION_KEY": KEY, "ENVIRONMENT": "production", "PORT": port, **servers}
        lines = "\n".join(f"{name}={value}" for name, value in environment.items())
        (booted.folder / "root" / "environment").write_text(f"{lines}\n")
        deploy, made, rest = PAGE["Deploy with systemd"].partition("/etc/coinflow/environment\n")
        written = "cat /root/environment > /etc/coinflow/environment\n"
        # Its last step looks whether web is ready, as soon as somebody has typed it.
        start, looks, look = (deploy + made + written + rest).partition("systemctl list-units")
        run(booted, start)
        look = f"cd /opt/coinflow\n{looks}{look.replace(':8000/', f':{port}/')}"
        wait_until(
            lambda: booted.run(look).returncode == 0, what="it works", log=lambda: booted.run(look).stdout
        )

        assert_sells(booted, "alice")
        assert_takes_versions_that_can_be_released_alone(booted)
        assert_sells(booted, "bob")

        run(booted, PAGE["Stop it"])
        results = run(booted, f"systemctl show --property Result {' '.join(map(unit, SERVICES))}")
        assert results.split() == ["Result=success"] * len(SERVICES)


def assert_sells(booted: Machine, wallet: str) -> None:
    """Check that a purchase is granted, and that what the services said can be read."""
    as_operator = "cd /opt/coinflow && runuser -u coinflow -- .venv/bin/coinflowctl"
    run(booted, f"{as_operator} trigger Settled --item sword --wallet {wallet}")
    wait_until(
        lambda: "granted" in booted.run(f"{as_operator} wallets show {wallet}").stdout,
        what=f"{wallet} has a sword",
        log=lambda: log(booted),
    )
    assert "ready" in log(booted)


def assert_takes_versions_that_can_be_released_alone(booted: Machine) -> None:
    """Publish a version with a broken price list, and then one that is sound."""
    before = processes(booted)
    run(
        booted,
        f"cd {REPOSITORY} && cp catalog.toml /root/ && echo broken > catalog.toml && {commit('Break')}",
    )
    upgrade = booted.run(PAGE["Start a new version"])
    assert upgrade.returncode != 0
    assert "catalog.toml" in log(booted)
    assert processes(booted) == before

    run(booted, f"cd {REPOSITORY} && cp /root/catalog.toml . && {commit('Mend')}")
    run(booted, PAGE["Start a new version"])
    assert not set(processes(booted)) & set(before)
    port = (booted.folder / "root" / "environment").read_text().partition("PORT=")[2].split()[0]
    ready = f"curl --fail http://127.0.0.1:{port}/readyz"
    wait_until(lambda: booted.run(ready).returncode == 0, what="web is ready", log=lambda: log(booted))


def unit(name: str) -> str:
    return f"coinflow-{name}.service"


def processes(booted: Machine) -> list[str]:
    """Return the ids of the services' first processes."""
    said = run(booted, f"systemctl show --property MainPID --value {' '.join(map(unit, SERVICES))}")
    assert "0" not in said.split()
    return said.split()


def log(booted: Machine) -> str:
    return run(booted, PAGE["When something is wrong"])
