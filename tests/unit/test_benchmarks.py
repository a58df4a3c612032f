"""What the benchmark computes from its runs, and how it says so."""

import json
import math
from xml.etree import ElementTree as ET

import pytest

from benchmarks.figures import Spread, percentile, ratio, written
from benchmarks.measured import Measured, shares
from benchmarks.peers import PEERS
from benchmarks.plot import plot
from benchmarks.processor import Machine
from benchmarks.purchases import templates
from benchmarks.report import page
from benchmarks.scenarios import Scenario, scenarios
from benchmarks.table import Results


def results() -> Results:
    """Return two rounds of ours beside two peers."""
    found = Results()
    for rate in (100.0, 300.0):
        found.add(
            "door", "ours", Measured({"accepted/s": 2 * rate, "p99 ms": 10}, {"door": 0.5, "load": 0.1})
        )
        found.add("door", "fast", Measured({"accepted/s": rate, "p99 ms": 5}, {"door": 1.0, "load": 0.1}))
        found.add(
            "door", "slow", Measured({"accepted/s": rate / 2, "p99 ms": 40}, {"door": 2.0, "load": 0.1})
        )
    return found


def test_a_spread_has_the_median_and_the_range() -> None:
    assert Spread.of([3, 1, 1000]) == Spread(3, 1, 1000)
    assert str(Spread.of([3, 1, 1000])) == "3 (1 to 1,000)"
    assert str(Spread.of([3, 3])) == "3"


def test_a_figure_has_three_digits_that_count() -> None:
    assert [written(each) for each in (0.01234, 1.234, 99.94, 1234.5)] == ["0.0123", "1.23", "99.9", "1,234"]


def test_a_percentile_is_one_of_the_values() -> None:
    values = list(range(100, 0, -1))
    assert percentile(values, 0.5) == 51
    assert percentile(values, 0.99) == 100
    assert percentile([7], 0.5) == percentile([7], 1) == 7
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_ratio_above_one_is_better_whatever_the_unit() -> None:
    assert ratio(300, 200, "accepted/s") == 1.5
    assert ratio(20, 30, "p99 ms") == 1.5
    assert math.isnan(ratio(0, 30, "p99 ms"))


def test_a_table_holds_each_subject_against_the_best_peer() -> None:
    head, rows = results().rows("door", ["fast", "slow"])
    assert head == [
        *("subject", "accepted/s", "to best peer", "p99 ms", "to best peer"),
        *("door, ms/event", "load, ms/event", "all, ms/event"),
    ]
    assert rows[0] == ["ours", "400 (200 to 600)", "2.00", "10", "0.50", "0.500", "0.100", "0.500"]
    assert [row[2] for row in rows[1:]] == ["1.00", "0.50"]


def test_a_table_without_peers_compares_nothing() -> None:
    head, _ = results().rows("door")
    assert "to best peer" not in head


def test_a_plot_is_well_formed_and_says_each_figure() -> None:
    picture = plot("a < b", {"ours (2 door)": Spread(2, 1, 4), "R&D": Spread(1, 1, 1)})
    root = ET.fromstring(picture)
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a < b", "ours", "2 (1 to 4)", "R&D", "1"]
    _, ours, theirs = root.iter("{http://www.w3.org/2000/svg}rect")
    assert float(ours.attrib["width"]) == pytest.approx(2 * float(theirs.attrib["width"]), abs=0.1)
    assert ours.attrib["fill"] != theirs.attrib["fill"]


def test_a_page_has_a_table_a_plot_and_the_machine() -> None:
    text = page(results(), [Scenario("door", [], plotted="accepted/s")], {"memory": "8 GB"}, "make bench")
    assert "| ours | 400 (200 to 600) |" in text
    assert "![door](door.svg)" in text
    assert "- memory: 8 GB" in text
    assert "busy" not in text


def test_a_page_warns_of_a_busy_machine() -> None:
    busy = Results()
    busy.add("door", "ours", Measured({"accepted/s": 1}, others=0.4))
    assert "The machine was busy" in page(busy, [Scenario("door", [])], {}, "make bench")


def test_what_others_took_is_neither_ours_nor_the_hosts() -> None:
    assert shares(Machine(total=10, idle=4, stolen=1), own=3) == (0.2, 0.1)


def test_the_load_is_purchases_of_about_a_kilobyte_at_the_lists_prices() -> None:
    lines = templates().splitlines()
    for line in lines:
        parts = line.split("\1")
        assert parts.count("\2") == 1
        assert "\3" in parts
        body = line.replace("\1\2\1", "payment").replace("\1\3\1", "wallet")
        assert 800 < len(body) < 1300
        data = json.loads(body)["data"]
        price = {"sword": 500, "shield": 750, "potion": 125}[data["webhookInfo"]["item"]]
        assert data["subtotal"]["cents"] == price * data["webhookInfo"]["quantity"]
    assert len(set(lines)) == len(lines)


def test_each_peer_is_measured_and_compared_to() -> None:
    compared = {peer for scenario in scenarios(1) for peer in scenario.peers}
    assert compared == {peer.subject.name for peer in PEERS}
    names = [scenario.name for scenario in scenarios(1)]
    assert len(set(names)) == len(names)
