"""`docs/how-to/deploy-behind-nginx.md`: its configuration before two receivers and Flower."""

import json
import os
import re
import signal
import ssl
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import pytest

from receiver.settings import Settings
from tests.acceptance.purchases import granted
from tests.documents import blocks
from tests.services import Server, answers, certificates, free_port, redis
from tests.services.nginx import CONFIGURATION, nginx
from tests.stack import KEY, ROOT, Stack, children, procfile
from tests.waiting import wait_until

pytestmark = pytest.mark.long

PAGE = ROOT / "docs" / "how-to" / "deploy-behind-nginx.md"
PATH = Settings.model_fields["webhook_path"].default
LIMIT = Settings.model_fields["max_body_bytes"].default
#: The two receivers.
WEB = ("web", "web-2")


class Answer(NamedTuple):
    status: int
    headers: Message
    seconds: float


class Site:
    """Two receivers, a worker and Flower on a Redis of their own, behind nginx."""

    def __init__(self, folder: Path, exits: ExitStack) -> None:
        self._folder = folder
        self.port = free_port()
        (folder / "redis").mkdir()
        self.broker: Server = exits.enter_context(redis(folder / "redis"))
        made = certificates(folder / "tls", "localhost", "flower.example")
        self._trust = ssl.create_default_context(cafile=str(made.authority))
        (folder / "stack").mkdir()
        self.stack = exits.enter_context(
            Stack(
                folder / "stack",
                {
                    "BROKER_URL": f"redis://127.0.0.1:{self.broker.port}/0",
                    "FLOWER_BASIC_AUTH": "user:password",
                    "FLOWER_HOSTS": "flower.example",
                    "SSL_CERT_FILE": str(made.authority),
                },
            )
        )
        second = free_port()
        exits.enter_context(
            nginx(
                folder,
                self.port,
                {
                    "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
                    "server 127.0.0.1:8000 ": "server 127.0.0.1:{} ",
                    "/etc/nginx/tls/webhooks.example.pem": str(made.certificate),
                    "/etc/nginx/tls/webhooks.example.key": str(made.key),
                    "/etc/nginx/tls/flower.example.pem": str(made.certificate),
                    "/etc/nginx/tls/flower.example.key": str(made.key),
                    "http://127.0.0.1:5555": f"http://127.0.0.1:{self.stack.flower_port}",
                }
                | self._receivers(second),
            )
        )
        self.stack.release()
        self.stack.start("web", "worker", "flower")
        self._start_second(second)

    def _receivers(self, second: int) -> dict[str, str]:
        rest = " max_fails=1 fail_timeout=10s;"
        both = f"server 127.0.0.1:{self.stack.port}{rest} server 127.0.0.1:{second}{rest}"
        return {"server 127.0.0.1:{} max_fails=1 fail_timeout=10s;": both}

    def _start_second(self, port: int) -> None:
        # As the page says where nginx is on the same machine.
        (line,) = [each.text for each in blocks(PAGE) if each.text.startswith("GUNICORN_CMD_ARGS")]
        name, _, value = line.partition("=")
        environment = {name: value.replace(":8000", f":{port}")}
        self.stack.start_command("web-2", ["/bin/sh", "-c", procfile()["web"]], environment)
        wait_until(
            lambda: answers(port), what="the second receiver listens", log=lambda: self.stack.log("web-2")
        )

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}{PATH}"

    def sell(self, wallet: str, *, times: int = 1, concurrency: int = 1) -> dict[str, int]:
        """Deliver a purchase; return how often it was answered what."""
        command = f"bin/coinflowctl trigger Settled --item sword --wallet {wallet} --json --url {self.url}"
        # It ends with 1 where an answer is not 200.
        said = self.stack.shell(f"{command} --times {times} --concurrency {concurrency} || true")
        answered: dict[str, int] = json.loads(said)["answers"]
        return answered

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Let a process hang, unless it is killed meanwhile."""
        process = self.stack.processes[name]
        os.killpg(process.pid, signal.SIGSTOP)
        yield
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGCONT)

    def forget_failures(self) -> None:
        """Let nginx ask every receiver, also one that has just failed."""
        process = int((self._folder / "nginx.pid").read_text())
        workers = children(process)
        os.kill(process, signal.SIGHUP)
        wait_until(lambda: not set(workers) & set(children(process)), what="nginx has read its file again")

    def request(self, body: bytes | None, path: str = PATH, **headers: str) -> Answer:
        """Send a request; return the answer, whatever it is."""
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", body, headers)
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=20, context=self._trust) as answer:
                return Answer(answer.status, answer.headers, time.monotonic() - began)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, time.monotonic() - began)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as exits:
        yield Site(tmp_path_factory.mktemp("site"), exits)


def test_the_configuration_says_what_the_receiver_says() -> None:
    text = CONFIGURATION.read_text()
    assert f"location = {PATH} {{" in text
    assert re.findall(r"client_max_body_size (\S+);", text) == [f"{LIMIT // 2**20}m"]
    assert LIMIT % 2**20 == 0


def test_a_purchase_is_granted_through_it(site: Site) -> None:
    assert site.sell("alice") == {"200": 1}
    assert [each["item"] for each in granted(site.stack, "alice")] == ["sword"]


def test_a_body_over_the_limit_is_refused_and_one_of_the_limit_is_not(site: Site) -> None:
    assert site.request(b" " * (LIMIT + 1), Authorization=KEY).status == 413
    # No JSON; the receiver has read it all.
    assert site.request(b" " * LIMIT, Authorization=KEY).status == 400


def test_nothing_but_the_route_can_be_reached(site: Site) -> None:
    assert [site.request(None, path).status for path in ("/readyz", "/healthz", "/")] == [404] * 3


def test_flower_asks_for_its_password_under_its_own_name(site: Site) -> None:
    wait_until(lambda: answers(site.stack.flower_port), what="Flower listens")
    credentials = f"Basic {b64encode(b'user:password').decode()}"
    assert site.request(None, "/workers", Host="flower.example").status == 401
    assert site.request(None, "/workers", Host="flower.example", Authorization=credentials).status == 200


def test_without_the_broker_the_sender_is_told_when_to_come_again(site: Site) -> None:
    site.broker.stop()
    answer = site.request(b'{"eventType": "Settled", "created": "", "data": {}}', Authorization=KEY)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.seconds < 5
    site.broker.start()
    wait_until(lambda: site.sell("again") == {"200": 1}, what="deliveries are taken again")


def test_a_receiver_that_hangs_is_asked_once(site: Site) -> None:
    with site.stopped("web-2"):
        sent = [site.request(b"{}", Authorization=KEY) for _ in range(4)]
    # It may be asked first or second, and then not again for 10 seconds.
    assert sorted(answer.status for answer in sent) == [400, 400, 400, 504]
    assert max(answer.seconds for answer in sent) < 5


def test_what_a_receiver_that_dies_has_not_answered_another_one_answers(site: Site) -> None:
    site.forget_failures()
    with ThreadPoolExecutor() as pool:
        with site.stopped("web-2"):
            sent = [pool.submit(site.request, b"{}", Authorization=KEY) for _ in range(4)]
            wait_until(lambda: sum(each.done() for each in sent) == 2, what="the others wait for it")
            site.stack.kill("web-2")
        assert [each.result().status for each in sent] == [400] * 4
    assert site.sell("bob", times=40, concurrency=4) == {"200": 40}
    assert len(granted(site.stack, "bob")) == 1
