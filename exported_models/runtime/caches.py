"""Caches of values that are costly to make: each is made once, however many threads ask."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from exported_models.runtime.cancellation import UnwantedError, check_wanted

Key = TypeVar("Key", bound=Hashable)
Version = TypeVar("Version")
Value = TypeVar("Value")


def count_one(_: object) -> int:
    """Size of a value where the limit is a number of values."""
    return 1


class OnceCache(Generic[Key, Value]):
    """A cache of values by key; the least recently used is dropped first. Safe to use from many threads.

    Threads that ask for one key at the same time wait for one of them to make the value, and all get its error if that
    fails. A failure is not cached: the next call tries again. Where the call that makes the value is cancelled, one of
    those that wait makes it.
    """

    def __init__(
        self,
        limit: int,
        size_of: Callable[[Value], int] = count_one,
        on_drop: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Keep values whose sizes sum up to ``limit``, and always the newest, however large.

        Args:
            size_of: size of a value in the unit of ``limit``, called once per value. The default counts values.
            on_drop: called with the size of what was dropped, after it was.
        """
        self._limit = limit
        self._size_of = size_of
        self._on_drop = on_drop
        self._size = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._in_making: dict[Key, Future[Value]] = {}
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Summed sizes of the values that are kept."""
        return self._size

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of ``key``, made by ``make`` where it is not cached.

        Raises:
            Exception: any that ``make`` raises.
        """
        check_wanted()
        others = self._find(key)
        while others is not None:
            try:
                return others.result()
            except UnwantedError:
                check_wanted()
                others = self._find(key)
        try:
            value = make()
            self._keep(key, value)
        except BaseException as error:
            self._finish(key).set_exception(error)
            raise
        self._finish(key).set_result(value)
        return value

    def get_many(self, keys: Sequence[Key], make: Callable[[Sequence[Key]], Sequence[Value]]) -> list[Value]:
        """The values of ``keys``; those that are not cached are made by one call of ``make``, in order.

        Unlike in `get`, threads that ask for one key at the same time all make its value.

        Raises:
            Exception: any that ``make`` raises.
        """
        with self._lock:
            found = {key: self._kept[key][0] for key in keys if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        missing = list(dict.fromkeys(key for key in keys if key not in found))
        if missing:
            for key, value in zip(missing, make(missing), strict=True):
                found[key] = value
                self._keep(key, value)
        return [found[key] for key in keys]

    def _find(self, key: Key) -> Future[Value] | None:
        """The value, kept or in the making; None where the caller has to make it."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                found: Future[Value] = Future()
                found.set_result(self._kept[key][0])
                return found
            others = self._in_making.get(key)
            if others is None:
                self._in_making[key] = Future()
            return others

    def _keep(self, key: Key, value: Value) -> None:
        size = self._size_of(value)
        with self._lock:
            _, replaced = self._kept.get(key, (None, 0))
            self._kept[key] = (value, size)
            self._size += size - replaced
            dropped = 0
            while self._size - dropped > self._limit and len(self._kept) > 1:
                dropped += self._kept.popitem(last=False)[1][1]
            self._size -= dropped
        if dropped:
            self._on_drop(dropped)

    def _finish(self, key: Key) -> Future[Value]:
        with self._lock:
            return self._in_making.pop(key)


class NewestCache(Generic[Key, Version, Value]):
    """A cache of the newest value of every name. Safe to use from many threads; only calls for the same name wait."""

    def __init__(self) -> None:
        self._kept: dict[Key, tuple[Version, Value]] = {}
        self._turns: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, name: Key, version: Version, make: Callable[[], Value]) -> Value:
        """The value of ``name``, made by ``make`` where none, or one of another version, is cached.

        Raises:
            Exception: any that ``make`` raises; the value cached before stays.
        """
        with self._lock:
            turn = self._turns.setdefault(name, threading.Lock())
        with turn:
            known = self._kept.get(name)
            if known is None or known[0] != version:
                known = self._kept[name] = (version, make())
            return known[1]
