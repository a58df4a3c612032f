"""The examples that `--help` shows."""

import pytest
from sqlalchemy import Engine

from tasks import celery
from tasks.celery import Application
from tests.commands import described, examples_of, words_of
from tests.integration.commands import ctl
from tests.integration.pipeline import delivery, run, take_in
from tests.stack import ROOT

#: What they need is running: a receiver, a worker, or themselves.
_SERVING = {"trigger", "sink", "doctor"}


@pytest.mark.parametrize("migrated", ["SQLite"], indirect=True)
def test_no_example_is_typed_wrongly(
    engine: Engine, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(celery, "app", app)
    run(engine, take_in(engine, delivery("pay-1", data__email="alice@example.com")))
    for names, command in described():
        if names[0] not in _SERVING:
            for line in examples_of(command):
                done = ctl(*words_of(line))
                assert done.exit_code in {0, 1}, done.output
                assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
