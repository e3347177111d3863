"""Executors: where the items of a long step are worked on.

A step describes its work as two picklable values without arrays: a `Work`, with the paths of a model and of its inputs,
and items, each naming a part of the input and the file that its result goes to. `LocalExecutor` works on them in this
process. An executor over a process pool, a Dask cluster or a batch system implements `Executor` alone; steps stay as
they are. Results come from files that are written in one rename, so an item that is worked on twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from pipeline.progress import Advance


class Item(Protocol):
    """A part of a step's work that can be done anywhere and in any order: a picklable value without arrays."""

    @property
    def size(self) -> int:
        """Units of progress that the item is worth."""


ItemType = TypeVar("ItemType", bound=Item)
ItemIn = TypeVar("ItemIn", bound=Item, contravariant=True)
Worker = Callable[[ItemType, Advance], None]
"""Does one item, and reports its units of progress while it does."""


class Work(Protocol[ItemIn]):
    """A step's work, apart from its items: a picklable value without arrays."""

    def open(self) -> Worker[ItemIn]:
        """Open whatever all items need, for example a model; called once in every process that works."""


class Executor(Protocol):
    """Works on the items of a step."""

    def run(self, work: Work[ItemType], items: Sequence[ItemType], advance: Advance) -> None:
        """Work on all items; return when the files of all of them are written.

        Args:
            advance: takes units of progress; the sum over all calls is the size of the items.

        Raises:
            BeamscopeError: the first error of an item; items that are done by then stay done.
        """


class LocalExecutor:
    """Works on the items one after the other in this process."""

    def run(self, work: Work[ItemType], items: Sequence[ItemType], advance: Advance) -> None:
        if not items:
            return
        do = work.open()
        for item in items:
            do(item, advance)
