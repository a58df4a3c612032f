"""Flower lets nobody from outside in without a password."""

import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

from tests.services import answers
from tests.stack import ROOT, Stack, procfile
from tests.waiting import PATIENCE, wait_until


def test_without_a_password_it_does_not_start_for_others(tmp_path: Path) -> None:
    with Stack(tmp_path, {"FLOWER_ADDRESS": "0.0.0.0", "FLOWER_BASIC_AUTH": ""}) as stack:
        done = subprocess.run(
            ["/bin/sh", "-c", procfile()["flower"]],
            cwd=ROOT,
            env=stack.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode != 0
    assert "FLOWER_BASIC_AUTH" in done.stderr


def test_with_a_password_it_asks_everybody_for_it(tmp_path: Path) -> None:
    with Stack(tmp_path, {"FLOWER_ADDRESS": "0.0.0.0", "FLOWER_BASIC_AUTH": "user:password"}) as stack:
        stack.start("flower")
        wait_until(lambda: answers(stack.flower_port), what="Flower listens")

        def status(credentials: bytes) -> int:
            request = urllib.request.Request(f"http://127.0.0.1:{stack.flower_port}/workers")
            if credentials:
                request.add_header("Authorization", f"Basic {b64encode(credentials).decode()}")
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code

        assert [status(each) for each in (b"", b"user:wrong", b"user:password")] == [401, 401, 200]
