"""An nginx for tests, with the configuration of `ops/nginx/` on private ports."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.services.server import Server, missing
from tests.stack import ROOT

CONFIGURATION = ROOT / "ops" / "nginx" / "coinflow.conf"
_AROUND = """\
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    {temporary}
    include {folder}/coinflow.conf;
}}
"""


@contextmanager
def nginx(folder: Path, port: int, replaced: Mapping[str, str]) -> Iterator[Server]:
    """Run nginx with the repository's configuration, in which each text that is replaced must occur."""
    # Where root alone has it in the path, everybody may run it.
    places = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    command = shutil.which("nginx", path=places) or missing(
        "nginx is not installed (apt-get install nginx-light)"
    )
    text = CONFIGURATION.read_text()
    for old, new in replaced.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "coinflow.conf").write_text(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (folder / "nginx.conf").write_text(
        _AROUND.format(
            # As root its processes would change to a user to whom a test's folder is closed.
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            temporary="".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds),
        )
    )
    started = [command, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    checked = subprocess.run([*started, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr, checked.stderr
    server = Server([*started, "-g", "daemon off;"], port, folder / "nginx.log")
    server.start()
    try:
        yield server
    finally:
        server.stop()
