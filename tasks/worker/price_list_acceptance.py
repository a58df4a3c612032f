"""What a worker does in the database about its price list's file: when it starts, and when that is edited.

A program as well, which takes the edited text as its standard input: the worker's parent process must neither
wait for a database nor hold a connection while it forks.
"""

import signal
import sys
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tasks.errors import PriceListUnusable, TransientError
from tasks.payments.price_list import AcceptedPriceList, PriceListError
from tasks.settings import Settings
from tasks.store.database import connect
from tasks.store.faults import told
from tasks.store.price_lists import accept, hash_of, newest
from tasks.worker.any_amount import WARNING, any_amount_items

#: What precedes a worker's name and the file among the program's arguments.
START, EDIT = "start", "edit"
#: Seconds after which the program ends although the database is silent.
_PATIENCE = 60
#: What the program exits with when it should be run again.
_TRY_AGAIN = 75

_log = structlog.get_logger("tasks.worker.price_list")


def begin(engine: Engine, content: str | PriceListError, file: Path, by: str) -> None:
    """Accept the first list ever; a file that differs from the list in force is reported and left alone.

    So a process that comes back after a while cannot bring an old list back. `content` is the file's text, or
    why it cannot be read. Raises PriceListError if neither the file nor the database has a list.
    """
    if isinstance(content, str):
        try:
            with engine.begin() as connection:
                accepted = accept(connection, content, by, only_first=True)
        except PriceListError as fault:
            content = fault
        else:
            if accepted:
                _report(accepted, file)
                return
    try:
        with engine.begin() as connection:
            in_force = newest(connection)
    except PriceListUnusable as error:
        _log.error("price_list.unusable", reason=str(error))
        return
    if isinstance(content, PriceListError):
        if in_force is None:
            raise content
        refuse(content, file, in_force=str(in_force))
    elif in_force and in_force.content_hash != hash_of(content):
        _log.warning(
            "price_list.differs",
            file=str(file),
            in_force=str(in_force),
            next_step="`coinflowctl catalog show` compares them, `coinflowctl catalog apply` takes the file",
        )


def take(engine: Engine, content: str, file: Path, by: str) -> None:
    """Put an edited list in force. Raises PriceListError."""
    with engine.begin() as connection:
        accepted = accept(connection, content, by)
    if accepted:
        _report(accepted, file)
    else:
        _log.info("price_list.unchanged", file=str(file))


def refuse(fault: PriceListError, file: Path, **more: str) -> None:
    """Log why a file is left alone."""
    _log.error("price_list.refused", file=str(file), line=fault.line, reason=fault.reason, **more)


def _report(accepted: AcceptedPriceList, file: Path) -> None:
    _log.info("price_list.changed", file=str(file), in_force=str(accepted), items=len(accepted.prices.items))
    if items := any_amount_items(accepted.prices):
        _log.warning("price_list.any_amount", items=items, reason=WARNING)


def main(occasion: str, by: str, file: Path) -> int:
    """Do what the occasion asks for with standard input; return the exit code."""
    signal.alarm(_PATIENCE)
    settings = Settings.load()
    settings.configure_logs()
    content = sys.stdin.buffer.read().decode()
    engine = connect(settings.database_url.get_secret_value(), pooler=settings.database_pooler)
    try:
        (begin if occasion == START else take)(engine, content, file, by)
    except PriceListError as fault:
        refuse(fault, file)
    except (SQLAlchemyError, TransientError) as error:
        _log.warning("price_list.waiting", file=str(file), reason=told(error))
        return _TRY_AGAIN
    return 0


if __name__ == "__main__":
    _, _occasion, _by, _file = sys.argv
    raise SystemExit(main(_occasion, _by, Path(_file)))
