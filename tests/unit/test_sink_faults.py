import pytest

from tasks.sink.faults import ALL, Fault, FaultKind, Faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("status:503", Fault(FaultKind.STATUS, 503, 15)),
        ("status:302", Fault(FaultKind.STATUS, 302, 15)),
        ("delay", Fault(FaultKind.DELAY, 0, 15)),
        ("delay:0.5", Fault(FaultKind.DELAY, 0, 0.5)),
        ("reset", Fault(FaultKind.RESET, 0, 15)),
        ("lost", Fault(FaultKind.LOST, 0, 15)),
    ],
)
def test_a_fault_is_read(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "status",
        "status:",
        "status:200",
        "status:600",
        "status:5000",
        "reset:1",
        "delay:",
        "delay:-1",
        "gone",
    ],
)
def test_what_is_no_fault_is_refused_with_what_would_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="delay:SECONDS, reset or lost"):
        Fault.parse(text)


def test_the_work_of_a_delayed_and_of_a_lost_answer_is_done() -> None:
    assert {fault.kind for fault in ALL if fault.stores} == {FaultKind.DELAY, FaultKind.LOST}


def test_so_many_fail_as_are_asked_for_in_every_way() -> None:
    faults = Faults(0.3, seed=1)
    drawn = [faults.draw() for _ in range(10_000)]
    assert 2800 < sum(fault is not None for fault in drawn) < 3200
    assert set(drawn) == {*ALL, None}


def test_none_or_all_may_fail() -> None:
    assert {Faults(0).draw() for _ in range(1000)} == {None}
    assert {Faults(1, ALL[:1]).draw() for _ in range(1000)} == {ALL[0]}


def test_the_same_seed_draws_the_same() -> None:
    first, second, other = (Faults(0.5, seed=seed) for seed in (1, 1, 2))
    drawn = [[faults.draw() for _ in range(100)] for faults in (first, second, other)]
    assert drawn[0] == drawn[1] != drawn[2]
