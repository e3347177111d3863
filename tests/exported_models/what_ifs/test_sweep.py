"""A sweep has, for every setting, the n-best list of a search with that setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from exported_models.contract.errors import RequestError
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.what_ifs.documents import SweepDocument
from exported_models.what_ifs.sweep import Event, Sweep, sweep
from tests.changed_exports import leave_out_normalizers, publish_changed

REQUEST = Request("random", "abc de")
BEAMS, PENALTIES = (1, 2, 3, 5, 8), (0.0, 1.0, 2.0)


@pytest.fixture(scope="module")
def found(engine: Engine) -> Sweep:
    return sweep(engine, REQUEST, BEAMS, PENALTIES)


def test_every_cell_is_a_search_of_its_own(engine: Engine, found: Sweep) -> None:
    for row, beam_size in enumerate(BEAMS):
        for column, penalty in enumerate(PENALTIES):
            alone = engine.translate(replace(REQUEST, beam_size=beam_size, length_penalty=penalty)).hypotheses
            ranked = {one.ranks[row][column]: one.tokens for one in found.hypotheses}
            del ranked[None]  # those that this setting does not find
            assert [ranked[rank] for rank in sorted(rank for rank in ranked if rank is not None)] == [
                one.tokens for one in alone
            ]
            assert found.hypotheses[found.winners[row][column]].tokens == alone[0].tokens
            assert found.normalized[row][column] == pytest.approx(alone[0].normalized, abs=1e-4)


def test_events_lead_from_each_list_to_the_next(found: Sweep) -> None:
    for column in range(len(PENALTIES)):
        listed = {place for place, one in enumerate(found.hypotheses) if one.ranks[0][column] is not None}
        for row in range(1, len(BEAMS)):
            events = [(place, event) for at, place, event in found.list_events(column) if at == row]
            listed |= {place for place, event in events if event is Event.APPEARS}
            listed -= {place for place, event in events if event is Event.VANISHES}
            assert listed == {place for place, one in enumerate(found.hypotheses) if one.ranks[row][column] is not None}
    assert sum(one.wins for one in found.hypotheses) == len(BEAMS) * len(PENALTIES)
    assert len(SweepDocument.of(found).events) == sum(len(list(found.list_events(at))) for at in range(len(PENALTIES)))


def test_a_kept_path_is_followed_through_the_lists_of_the_beam(engine: Engine, found: Sweep) -> None:
    everywhere = found.hypotheses[0]
    late = next(one for one in found.hypotheses if one.ranks[0][1] is None and one.ranks[-1][1] is not None)
    never = (*late.tokens[:2], "x", "x")

    kept = sweep(engine, replace(REQUEST, kept=(late.tokens, never)), BEAMS, PENALTIES)

    assert kept.winners == found.winners
    assert kept.hypotheses[0] == everywhere
    ranks = {one.tokens: one.ranks for one in found.hypotheses}
    beside = [one for one in kept.hypotheses if one.beside]
    assert late.tokens in {one.tokens for one in beside}
    assert any(one.tokens[: len(never)] == never for one in beside)
    for one in kept.hypotheses:
        nowhere = ((None,) * len(PENALTIES),) * len(BEAMS)
        assert one.ranks == ranks.get(one.tokens, nowhere)


def test_a_beam_that_cannot_be_searched_is_left_out_with_its_reason(
    random_workspace: Workspace, tmp_path: Path
) -> None:
    """A greedy search applies a repetition penalty to logits, which older exports do not give."""
    folder = random_workspace.model_folder("random")
    engine = Engine(publish_changed(folder, tmp_path, leave_out_normalizers), threads=1)
    penalized = replace(REQUEST, repetition_penalty=1.3)

    swept = sweep(engine, penalized, (1, 2, 3), (1.0,))

    assert swept.beam_sizes == (2, 3)
    ((beam_size, reason),) = swept.refused
    assert beam_size == 1
    assert "choose a beam of at least 2" in reason
    best = engine.translate(replace(penalized, beam_size=3, length_penalty=1.0)).best
    assert swept.hypotheses[swept.winners[1][0]].tokens == best.tokens
    assert SweepDocument.of(swept).refused[0].reason == reason
    with pytest.raises(RequestError, match="choose a beam of at least 2"):
        sweep(engine, penalized, (1,), (1.0,))


@pytest.mark.parametrize(
    ("beams", "penalties", "expected"),
    [
        ((), (1.0,), "no beam sizes"),
        ((2, 2), (1.0,), "not ascending"),
        ((1, 2), (1.0, 0.0), "length penalties are not ascending"),
        (tuple(range(1, 101)), tuple(range(6)), "at most 500"),
        ((1,), (11.0,), "out of range"),
    ],
)
def test_settings_that_cannot_be_swept_are_named(
    engine: Engine, beams: tuple[int, ...], penalties: tuple[float, ...], expected: str
) -> None:
    with pytest.raises(RequestError, match=expected):
        sweep(engine, REQUEST, beams, penalties)
