"""A log whose first word brings structlog."""

from structlog.testing import capture_logs

from tasks.log import Log, before_the_first_word


def test_what_is_to_be_done_before_the_first_word_is_done_once() -> None:
    done: list[str] = []
    before_the_first_word(lambda: done.append("prepared"))
    log = Log("tasks.somewhere")
    assert done == []
    with capture_logs() as said:
        log.info("one", payment_id="pay")
        Log("tasks.elsewhere").warning("two")
    assert done == ["prepared"]
    assert said == [
        {"event": "one", "payment_id": "pay", "log_level": "info"},
        {"event": "two", "log_level": "warning"},
    ]
