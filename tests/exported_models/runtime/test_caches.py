"""Remembered values: made once, dropped by age, failures forgotten."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported_models.runtime.caches import NewestCache, OnceCache
from exported_models.runtime.cancellation import Cancellation, UnwantedError, begin_cancellable, check_wanted


class Maker:
    """Makes ``value`` and counts how often."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        return self.value


def note(made: list[int], key: int) -> int:
    made.append(key)
    return key


def test_what_is_dropped_is_told_by_its_size() -> None:
    told: list[int] = []
    cache: OnceCache[str, str] = OnceCache(5, len, told.append)

    for value in ("ab", "cd", "e"):
        cache.get(value, lambda value=value: value)  # type: ignore[misc]
    assert told == []
    cache.get("fghi", lambda: "fghi")

    assert told == [4]


def test_a_value_is_made_once() -> None:
    cache: OnceCache[str, str] = OnceCache(2)
    maker = Maker("one")
    assert [cache.get("a", maker) for _ in range(3)] == ["one"] * 3
    assert maker.calls == 1


def test_the_least_recently_used_goes_first() -> None:
    cache: OnceCache[str, str] = OnceCache(2)
    makers = {name: Maker(name) for name in "abc"}
    for name in "abac":
        cache.get(name, makers[name])
    for name in "acb":
        cache.get(name, makers[name])
    assert {name: maker.calls for name, maker in makers.items()} == {"a": 1, "b": 2, "c": 1}


def test_the_newest_stays_however_large() -> None:
    cache: OnceCache[str, str] = OnceCache(3, len)
    small, large = Maker("xx"), Maker("x" * 100)
    cache.get("small", small)
    for _ in range(2):
        cache.get("large", large)
    cache.get("small", small)
    assert (small.calls, large.calls) == (2, 1)


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 20))
def test_what_is_kept_is_the_longest_recent_run_that_fits(keys: list[int], limit: int) -> None:
    cache: OnceCache[int, int] = OnceCache(limit, lambda value: value)
    recent: list[int] = []
    for key in keys:
        made: list[int] = []
        assert cache.get(key, partial(note, made, key)) == key
        assert made == ([] if key in recent else [key])
        recent = [*(other for other in recent if other != key), key]
        while sum(recent) > limit and len(recent) > 1:
            recent.pop(0)


def test_threads_that_ask_at_once_share_one_making() -> None:
    cache: OnceCache[str, object] = OnceCache(2)
    started, go = threading.Event(), threading.Event()
    calls: list[object] = []

    def make() -> object:
        started.set()
        go.wait(10)
        calls.append(object())
        return calls[-1]

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(cache.get, "a", make)
        assert started.wait(10)
        others = [pool.submit(cache.get, "a", make) for _ in range(3)]
        go.set()
        assert {id(found.result()) for found in (first, *others)} == {id(calls[0])}
    assert len(calls) == 1


def test_a_failure_is_not_remembered() -> None:
    cache: OnceCache[str, str] = OnceCache(2)

    def fail() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get("a", fail)
    assert cache.get("a", Maker("yes")) == "yes"


def test_several_values_are_made_together_and_only_those_that_are_missing() -> None:
    asked: list[list[str]] = []

    def make(keys: Sequence[str]) -> list[str]:
        asked.append(list(keys))
        return [key.upper() for key in keys]

    dropped: list[int] = []
    cache: OnceCache[str, str] = OnceCache(2, on_drop=dropped.append)
    assert cache.get_many(["a", "b", "a"], make) == ["A", "B", "A"]
    assert cache.get_many(["b", "a"], make) == ["B", "A"]
    assert cache.get_many(["a", "c"], make) == ["A", "C"]
    assert asked == [["a", "b"], ["c"]]
    assert cache.get_many(["b", "c"], make) == ["B", "C"]
    assert asked[2:] == [["b"]], "the least recently used had gone"
    assert sum(dropped) == 2
    assert cache.size == 2


def test_only_the_newest_version_of_a_name_is_kept() -> None:
    cache: NewestCache[str, int, str] = NewestCache()
    first, second = Maker("first"), Maker("second")
    assert [cache.get("a", 1, first), cache.get("a", 1, second), cache.get("a", 2, second)] == ["first"] * 2 + [
        "second"
    ]
    assert cache.get("a", 1, first) == "first"
    assert (first.calls, second.calls) == (2, 1)


def test_a_version_that_cannot_be_made_leaves_the_one_before() -> None:
    cache: NewestCache[str, int, str] = NewestCache()
    kept = Maker("kept")
    cache.get("a", 1, kept)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", 2, lambda: str(1 / 0))
    assert cache.get("a", 1, Maker("other")) == "kept"


def test_a_name_does_not_wait_for_the_making_of_another() -> None:
    cache: NewestCache[str, int, str] = NewestCache()
    started, go_on = threading.Event(), threading.Event()
    makers = [Maker("slow"), Maker("slow")]

    def make(maker: Maker) -> str:
        started.set()
        assert go_on.wait(timeout=10)
        return maker()

    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(cache.get, "slow", 1, partial(make, maker)) for maker in makers]
        assert started.wait(timeout=10)
        assert cache.get("quick", 1, Maker("quick")) == "quick"
        assert not any(future.done() for future in slow)
        go_on.set()
        assert [future.result(timeout=10) for future in slow] == ["slow", "slow"]
    assert sum(maker.calls for maker in makers) == 1


def test_where_the_maker_is_cancelled_one_that_waits_makes_the_value() -> None:
    cache: OnceCache[str, str] = OnceCache(1)
    making, going_on = threading.Event(), threading.Event()
    begun: list[Cancellation] = []

    def make_until_cancelled() -> str:
        making.set()
        going_on.wait(20)
        check_wanted()
        return "not reached"

    def ask_and_leave() -> str:
        with begin_cancellable() as work:
            begun.append(work)
            return cache.get("a", make_until_cancelled)

    with ThreadPoolExecutor(2) as threads:
        leaving = threads.submit(ask_and_leave)
        assert making.wait(20)
        staying = threads.submit(cache.get, "a", lambda: "made by the other")
        begun[0].cancel()
        going_on.set()

        assert staying.result(20) == "made by the other"
        with pytest.raises(UnwantedError):
            leaving.result(20)
