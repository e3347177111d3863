"""The search in words: complete, unambiguous, and as long as the search."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain

import pytest

from dashboard.drawing.tree_twin import TAIL, describe_fate, tabulate_search
from dashboard.drawing.words import PairText, TokenText
from dashboard.state.page_state import Json
from exported_models.contract.trace import Fate, Trace
from tests.dashboard.sentences import END, ENGLISH, GERMAN, TEXT, make_picture, make_trace

STEPS, BEAM = 300, 20


@dataclass(frozen=True, slots=True)
class CountingText(TokenText):
    """Notes every token that is written."""

    written: list[str] = field(default_factory=list)

    def show(self, token: str) -> str:
        self.written.append(token)
        return TokenText.show(self, token)


def rows_of(search: Json) -> list[Json]:
    """The rows of all steps."""
    return list(chain.from_iterable(step["rows"] for step in search["steps"]))


def search_of(steps: int) -> Trace:
    """A search of as many steps."""
    return make_trace(GERMAN, (ENGLISH * steps)[: steps - 1], beam=BEAM)


def test_every_candidate_is_listed_with_its_fate() -> None:
    picture = make_picture()

    rows = rows_of(tabulate_search(picture))

    assert len(rows) == sum(len(step.candidates) for step in picture.trace.steps)
    assert {row["cells"][-1] for row in rows} == {"kept", "finished", "pruned: better ones filled the beam"}
    assert len({row["key"] for row in rows}) == len(rows)


def test_a_kept_path_tells_why_the_beam_pruned_it() -> None:
    pruned = next(one for one in make_trace().steps[0].candidates if one.fate is Fate.PRUNED)

    beside = pruned._replace(fate=Fate.BESIDE)

    assert describe_fate(beside) == "kept beside the beam, which pruned it: better ones filled the beam"
    assert describe_fate(beside._replace(pruned_by=None)) == "kept beside the beam"


def test_a_long_prefix_is_named_by_the_row_that_made_it() -> None:
    trace = search_of(40)
    steps = tabulate_search(make_picture(trace))["steps"]

    for step, record in zip(steps, trace.steps, strict=True):
        for row, candidate in zip(step["rows"], record.candidates, strict=True):
            words = TEXT.show_all(node.token for node in trace.path(candidate.parent))
            prefix = row["cells"][1]
            assert prefix.endswith("".join(words[-TAIL:]))
            if len(words) > TAIL:
                made = next(entry for entry in trace.steps[len(words) - 1].candidates if entry.node == candidate.parent)
                assert prefix.startswith(f"(step {len(words)}, rank {made.rank + 1}) … ")


@pytest.fixture(scope="module")
def work() -> dict[int, tuple[int, int]]:
    """Steps -> tokens written and characters sent."""
    found = {}
    for steps in (STEPS // 2, STEPS):
        text = CountingText(END)
        rows = rows_of(tabulate_search(make_picture(search_of(steps), text=PairText(TEXT, text))))
        found[steps] = (len(text.written), sum(len(cell) for row in rows for cell in row["cells"]))
    return found


@pytest.mark.parametrize("measure", [0, 1], ids=["tokens written", "characters sent"])
def test_twice_the_steps_are_twice_the_work(work: dict[int, tuple[int, int]], measure: int) -> None:
    assert work[STEPS][measure] <= 2.2 * work[STEPS // 2][measure]
