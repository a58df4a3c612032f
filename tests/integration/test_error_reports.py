"""What Sentry is told of an error of the receiver's that nobody foresaw."""

import json
import os
import subprocess
import sys

from tests.collector import Collector

KEY, BUYER = "key-of-a-test", "alice@example.com"
BODY = json.dumps({"eventType": "Settled", "created": "", "data": {"email": BUYER, "last4": "4242-9"}})


def test_an_error_is_told_by_its_name_and_place_and_nothing_of_the_delivery() -> None:
    with Collector() as collector:
        done = subprocess.run(
            [sys.executable, "-m", "tests.programs.broken_receiver"],
            env=os.environ | {"COINFLOW_VALIDATION_KEY": KEY, "SENTRY_DSN": collector.dsn},
            input=BODY.encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        line, error = collector.errors
        sent = b"\n".join(body for _, body in collector.received)
    assert line["logentry"] == {"message": "delivery.broken"}
    # A library's own words are not sent either.
    assert error["logentry"]["message"].startswith("app.py, line ")
    (raised,) = error["exception"]["values"]
    assert raised["type"] == "LookupError"
    assert raised["stacktrace"]["frames"][-1]["function"] == "fail"
    assert not any("vars" in frame for frame in raised["stacktrace"]["frames"])
    assert not {"request", "extra", "contexts", "breadcrumbs", "user"} & {*line, *error}
    # The log is where the words are.
    assert BUYER.encode() in done.stdout
    for never in (BUYER, "4242-9", KEY):
        assert never.encode() not in sent
