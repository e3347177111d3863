"""Timing in turns: who goes when, and what the figures say."""

import pytest

from benchmarks.measure import Comparison, Timing, compare, describe_machine


def test_both_ways_run_on_every_item_and_take_turns_at_going_first() -> None:
    calls: list[tuple[str, int]] = []

    compare([1, 2, 3], lambda item: calls.append(("ours", item)), lambda item: calls.append(("theirs", item)))

    warming_up, timed = calls[:2], calls[2:]
    assert warming_up == [("ours", 3), ("theirs", 3)]
    assert [item for _, item in timed] == [1, 1, 2, 2, 3, 3]
    assert set(timed[:2]) == {("ours", 1), ("theirs", 1)}
    firsts = [way for way, _ in timed[::2]]
    assert firsts[0] == firsts[2] != firsts[1]


def test_figures_are_medians_of_item_by_item_speedups() -> None:
    ours = [Timing(0.001, 0.001), Timing(0.004, 0.001), Timing(0.003, 0.001)]
    theirs = [Timing(0.002, 0.004), Timing(0.002, 0.004), Timing(0.003, 0.004)]

    figures = Comparison(tuple(ours), tuple(theirs)).figures("plain")

    assert (figures["ms"], figures["plain ms"]) == (3.0, 2.0)
    assert figures["speedup"] == 1.0
    assert 0.5 <= figures["p10"] <= figures["speedup"] <= figures["p90"] <= 2.0
    assert figures["cpu speedup"] == 4.0


def test_the_machine_is_named_with_its_load() -> None:
    assert "cores" in describe_machine()
    assert "load" in describe_machine()


def test_nothing_to_time_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(IndexError):
        compare([], str, str)
