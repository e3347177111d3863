"""Heads that are ablated: what is read, refused, and done by every model with attention."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exported_models.contract.errors import RequestError
from exported_models.contract.request import HeadAblation, Request
from exported_models.contract.wishes import Attend
from exported_models.edits import apply
from exported_models.engine import Engine
from exported_models.search.ablation import parse_ablation

REQUEST = Request("random", "abc de")
CROSS = HeadAblation("cross", 0, 0)


@pytest.mark.parametrize("text", ["", "cross", "cross:1", "cross:a:0", "self:0:0", "cross:0:0:0", "cross:0:"])
def test_what_names_no_head_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="write KIND:LAYER:HEAD"):
        parse_ablation(text)


def test_a_head_is_read() -> None:
    assert parse_ablation("decoder:2:5") == HeadAblation("decoder", 2, 5)


@pytest.mark.parametrize(
    ("ablation", "words"),
    [
        (HeadAblation("encoder", 0, 0), "has no self-attention of the encoder"),
        (HeadAblation("decoder", 0, 0), "has no self-attention of the decoder"),
        (HeadAblation("cross", 1, 0), "no layer 1 in the cross-attention of random: it must be from 0 to 0"),
        (HeadAblation("cross", 0, -1), "no head -1"),
    ],
)
def test_heads_that_a_model_lacks_are_refused(engine: Engine, ablation: HeadAblation, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        engine.translate(replace(REQUEST, ablations=(ablation,)))
    assert caught.value.field == "ablations"


def test_an_ablated_head_of_a_recurrent_model_gives_it_no_context(engine: Engine) -> None:
    free, trace = engine.translate(REQUEST), engine.translate(replace(REQUEST, ablations=(CROSS, CROSS)))

    attention = trace.attention(trace.best)
    assert attention is not None
    assert not attention.any()
    assert not trace.states("context").any()
    assert trace.states("encoder") == pytest.approx(free.states("encoder"))
    assert trace.best.score != pytest.approx(free.best.score, abs=1e-5)
    assert trace.request.ablations == (CROSS,)


def test_what_ifs_and_scores_hold_under_an_ablation(engine: Engine) -> None:
    trace = engine.translate(replace(REQUEST, beam_size=1, ablations=(CROSS,)))
    again = engine.translate(replace(trace.request, prefix=trace.best.tokens[:2]))
    overridden = engine.translate(apply(Attend(1, ((0, 1.0),)), trace, trace.best).request)

    assert again.best.token_ids == trace.best.token_ids
    assert overridden.best.log_probs == pytest.approx(trace.best.log_probs, abs=1e-5)
    if trace.best.finished and trace.best.text.strip():
        forced = engine.score(trace.request, trace.best.text)
        assert forced.log_probs == pytest.approx(trace.best.log_probs, abs=1e-5)
