"""Forced scoring: a ragged batch gives each sentence what it gets alone, and its own output keeps its scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exported_models.contract.request import Request
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from exported_models.search.scoring import ForcedSentence, force_batch, pad

sources = st.text(alphabet="abcdefgh ", min_size=1, max_size=12).filter(str.strip)
targets = st.text(alphabet="uvwxyz", min_size=1, max_size=8)


def force_texts(model: ExportedModel, pairs: list[tuple[str, str]]) -> list[ForcedSentence]:
    return force_batch(
        model,
        [model.source_tokenizer.encode(source, end=True).ids for source, _ in pairs],
        [model.target_tokenizer.encode(target, end=True).ids for _, target in pairs],
    )


@settings(max_examples=15)
@given(st.lists(st.tuples(sources, targets), min_size=2, max_size=6))
def test_batched_equals_single(model: ExportedModel, pairs: list[tuple[str, str]]) -> None:
    for together, pair in zip(force_texts(model, pairs), pairs, strict=True):
        (alone,) = force_texts(model, [pair])
        assert together.states.keys() == alone.states.keys() == {"encoder", "decoder", "context"}
        for space, states in alone.states.items():
            np.testing.assert_allclose(together.states[space], states, atol=1e-5)
        np.testing.assert_allclose(together.log_probs, alone.log_probs, atol=1e-5)
        np.testing.assert_array_equal(together.ranks, alone.ranks)
        assert together.attention is not None
        assert alone.attention is not None
        np.testing.assert_allclose(together.attention, alone.attention, atol=1e-5)


@settings(max_examples=15)
@given(sources)
def test_forcing_the_models_own_output_meets_the_states_of_its_trace(
    engine: Engine, model: ExportedModel, source: str
) -> None:
    trace = engine.translate(Request("random", source))
    best = trace.best

    (forced,) = force_batch(model, [trace.source.ids], [best.token_ids])

    np.testing.assert_allclose(forced.log_probs, best.log_probs, atol=1e-5)
    for space in ("encoder", "decoder", "context"):
        np.testing.assert_allclose(forced.states[space], trace.states(space, best), atol=1e-5)


def test_attention_rows_sum_to_one_over_the_sentences_own_tokens(model: ExportedModel) -> None:
    short, long = force_texts(model, [("ab", "uv"), ("abcdefgh abc", "uvwxyz")])

    assert short.attention is not None
    assert long.attention is not None
    assert short.attention.shape == (3, 1, 1, 3)
    assert long.attention.shape == (7, 1, 1, 13)
    np.testing.assert_allclose(short.attention.sum(axis=-1), 1, atol=1e-6)


def test_padding_is_on_the_right() -> None:
    ids, mask = pad([[5, 6], [7]], pad_id=0)

    assert ids.tolist() == [[5, 6], [7, 0]]
    assert mask.tolist() == [[True, True], [True, False]]


def test_an_empty_batch_has_no_sentences(model: ExportedModel) -> None:
    assert force_batch(model, [], []) == []


def test_ranks_count_the_more_probable_tokens(model: ExportedModel, engine: Engine) -> None:
    trace = engine.translate(Request("random", "abc", beam_size=1))

    (forced,) = force_batch(model, [trace.source.ids], [trace.best.token_ids])

    assert forced.ranks.tolist() == [0] * len(trace.best.tokens)
    assert forced.log_probs.sum() == pytest.approx(trace.best.score, abs=1e-5)
