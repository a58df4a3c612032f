"""`docs/how-to/deploy-container.md`, followed to its end, and what is in the image."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.servers import Serve
from tests.checkout import copy_checkout
from tests.documents import scripts
from tests.services import free_port
from tests.services.podman import Podman, podman
from tests.stack import KEY, ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.deployment

PAGE = scripts(ROOT / "docs" / "how-to" / "deploy-container.md")
BUILD, DEPLOY = PAGE["Deploy as a container"].split("\n", maxsplit=1)
KEPT_OUT = (".env", "coinflow.env", ".git/config", "var/coinflow.sqlite3")
PROCESSES = ("web", "worker", "beat")


class Checkout:
    """A checkout with secrets in it, and the image that the page's command has built from it."""

    def __init__(self, folder: Path, podman: Podman) -> None:
        self.folder, self._podman = folder, podman
        copy_checkout(folder)
        for name in KEPT_OUT:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("secret")
        self.run(BUILD)

    def run(self, script: str, *, fails: bool = False) -> str:
        """Run a script, which must succeed or fail; return what it printed."""
        done = self._podman.run(script, self.folder)
        assert bool(done.returncode) == fails, done.stdout
        return done.stdout

    def works(self, script: str) -> bool:
        """Tell whether a script succeeds."""
        return self._podman.run(script, self.folder).returncode == 0


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with podman() as own:
        yield Checkout(tmp_path_factory.mktemp("checkout"), own)


def test_neither_secrets_nor_state_enter_the_image(checkout: Checkout) -> None:
    held = set(checkout.run("podman run --rm coinflow ls -A").split())
    assert {"Procfile", "receiver", "tasks", "catalog.toml"} <= held
    assert not held & {".env", "coinflow.env", ".git", "tests", "docs"}
    assert not checkout.run("podman run --rm coinflow ls -A var")
    # A builder that does not read .dockerignore.
    (checkout.folder / "ignored").write_text("nothing\n")
    said = checkout.run("podman build --ignorefile ignored .", fails=True)
    assert ".env is in the build's context" in said


def test_on_rabbitmq_the_page_deploys_and_stops(checkout: Checkout, serve: Serve, tmp_path: Path) -> None:
    port = free_port()
    with serve("RabbitMQ and PostgreSQL", tmp_path) as servers:
        write_environment(checkout, {"PORT": port, **servers})
        start, looks, look = DEPLOY.partition("curl")
        assert_ends_with_a_broken_price_list(checkout, start)
        checkout.run(start)
        look = look.replace(":8000/", f":{port}/")
        wait_until(lambda: checkout.works(looks + look), what="it works", log=lambda: log(checkout))

        assert checkout.run("podman exec coinflow-worker id -u").strip() == "10001"
        assert "Read-only file system" in checkout.run("podman exec coinflow-web touch /app/x", fails=True)
        checkout.run("podman exec coinflow-web coinflowctl trigger Settled --item sword --wallet alice")
        wait_until(
            lambda: "granted" in checkout.run("podman exec coinflow-worker coinflowctl wallets show alice"),
            what="alice has a sword",
            log=lambda: log(checkout),
        )
        assert "beat: Starting" in log(checkout)

        checkout.run(PAGE["Stop it"])
        ended = checkout.run("podman ps --all --format '{{.Names}} {{.Status}}'").splitlines()
        assert len(ended) == len(PROCESSES)
        # A process that had to be killed would have ended with 137.
        assert all(" Exited (0) " in line for line in ended), ended


def assert_ends_with_a_broken_price_list(checkout: Checkout, start: str) -> None:
    """Check that what comes after `release` in the page is not reached."""
    (checkout.folder / "broken.toml").write_text("broken")
    release = start[: start.index("coinflow release")]
    said = checkout.run(f"{release} --volume ./broken.toml:/app/catalog.toml:ro coinflow release", fails=True)
    assert "catalog.toml" in said


def test_everything_may_be_files_of_one_volume(checkout: Checkout) -> None:
    write_environment(checkout, {"ALLOW_EMBEDDED": "true"})
    definition = next(line for line in DEPLOY.splitlines() if line.startswith("safe="))
    safe = definition.replace("--tmpfs /app/var", "--volume coinflow-state:/app/var")
    assert safe != definition
    command = f"{safe}\npodman run --rm --env-file coinflow.env $safe coinflow"
    checkout.run(f"{command} release")
    assert "sword" in checkout.run(f"{command} coinflowctl catalog show")


def write_environment(checkout: Checkout, own: dict[str, object]) -> None:
    environment = {"COINFLOW_VALIDATION_KEY": KEY, "ENVIRONMENT": "production", **own}
    lines = "\n".join(f"{name}={value}" for name, value in environment.items())
    (checkout.folder / "coinflow.env").write_text(f"{lines}\n")


def log(checkout: Checkout) -> str:
    return checkout.run("; ".join(f"podman logs coinflow-{name}" for name in PROCESSES))
