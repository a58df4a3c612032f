"""Tasks on a list of items, of which one must not hold up the others."""

from typing import Any

import structlog

from tasks.worker.kinds import Kind
from tasks.worker.reliable_task import ReliableTask
from tasks.worker.retries import GiveUp, RetryIn, kind

_log = structlog.get_logger(__name__)


class GroupTask(ReliableTask):
    """A task on a list, which is split where one of its items may be to blame.

    What an item does to its worker or to the task stays its own: a list that is delivered again, because its
    worker ended, and one that fails in a way that does not pass become one task for each item. Lists that
    wait for a free process are run as one.
    """

    Strategy = "tasks.worker.merging:strategy"

    def _run(self, items: list[Any], *arguments: Any, **options: Any) -> str | None:
        if not self.is_redelivered or len(items) == 1:
            return super()._run(items, *arguments, **options)
        try:
            self._split(items)
        except Exception as error:  # noqa: BLE001  # the policy tells what it means, such as that the broker is full
            self._act(error, items)
        return None

    def next_step(self, error: Exception, items: list[Any]) -> RetryIn | GiveUp:
        """Try a list again only where no item can be to blame."""
        if len(items) > 1 and kind(error) is not Kind.TRANSIENT:
            return GiveUp()
        return super().next_step(error, items)

    def give_up(self, error: Exception, items: list[Any]) -> None:
        """Split the list, or give its only item up."""
        if len(items) > 1:
            _log.warning("task.split", task=self.name, items=len(items), error=type(error).__name__)
            self._split(items)
        else:
            self.give_up_item(error, items[0])

    def give_up_item(self, error: Exception, _item: Any) -> None:
        """Do what is left to do for an item at which the task failed for good."""
        raise error

    def _split(self, items: list[Any]) -> None:
        for item in items:
            self.delay([item])
