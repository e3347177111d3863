"""The attention that is found equals a scan by the wish `attend`, one answer after the other."""

from __future__ import annotations

import pytest

from exported_models.contract.errors import RequestError
from exported_models.contract.request import AttentionOverride, Request
from exported_models.contract.wishes import Attend
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply
from exported_models.engine import Engine
from exported_models.what_ifs.attention import find_attention


@pytest.fixture(scope="module")
def dates(dates_workspace: Workspace) -> Engine:
    return Engine(dates_workspace, threads=1)


@pytest.mark.parametrize("step", [0, 3, 6])
@pytest.mark.parametrize("overrides", [(), (AttentionOverride(2, ((1, 1.0),)),)])
def test_it_is_what_a_scan_by_attend_finds(dates: Engine, step: int, overrides: tuple[AttentionOverride, ...]) -> None:
    trace = dates.translate(Request("dates", "March 3, 1999", beam_size=2, top_k=16, overrides=overrides))
    own = trace.attention(trace.best)
    assert own is not None
    tokenizer = dates.model("dates").target_tokenizer
    for choice in trace.top_k(trace.best)[step][1:4]:
        scanned = []
        for position in range(len(trace.source)):
            wish = Attend(step, ((position, 1.0),))
            (row,) = dates.translate(apply(wish, trace, trace.best).request).steps[step].top_ids.tolist()
            change = 1 - float(own[step, 0, 0, position])
            scanned.append(
                (row.index(tokenizer.token_id(choice.token)) if choice.token_id in row else 99, change, wish)
            )

        found = find_attention(dates, trace, trace.best, step, choice.token)

        assert [min(trial.rank, 99) if trial.rank < 16 else 99 for trial in found.tried] == [one[0] for one in scanned]
        assert [trial.change for trial in found.tried] == pytest.approx([one[1] for one in scanned], abs=1e-5)
        winners = [(change, wish) for rank, change, wish in scanned if rank == 0]
        assert found.best.succeeds == bool(winners)
        if winners:
            assert found.best.change == pytest.approx(min(change for change, _ in winners), abs=1e-5)
            assert found.best.wish in [wish for _, wish in winners]
        else:
            assert found.best.behind == min(trial.behind for trial in found.tried)


def test_parts_of_the_trials_are_those_of_the_whole(engine: Engine) -> None:
    trace = engine.translate(Request("random", "abc de", beam_size=2))
    whole = find_attention(engine, trace, trace.best, 2, "u")

    parts = [find_attention(engine, trace, trace.best, 2, "u", first=first, count=3) for first in (0, 3, 6)]

    assert whole.total == len(trace.source)
    assert [trial.wish for part in parts for trial in part.tried] == [trial.wish for trial in whole.tried]
    together = [trial.log_prob for part in parts for trial in part.tried]
    assert together == pytest.approx([trial.log_prob for trial in whole.tried], abs=1e-5)


@pytest.mark.parametrize(("step", "token", "expected"), [(99, "u", "no step 99"), (0, "ß", "vocabulary")])
def test_what_is_not_there_is_named(engine: Engine, step: int, token: str, expected: str) -> None:
    trace = engine.translate(Request("random", "abc de"))

    with pytest.raises(RequestError, match=expected):
        find_attention(engine, trace, trace.best, step, token)


def test_a_model_without_attention_says_so(phonemes_workspace: Workspace) -> None:
    engine = Engine(phonemes_workspace, threads=1)
    trace = engine.translate(Request("g2p", "cat"))

    with pytest.raises(RequestError, match="has no attention"):
        find_attention(engine, trace, trace.best, 0, trace.best.tokens[0])
