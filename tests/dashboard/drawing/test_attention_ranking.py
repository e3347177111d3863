"""The attention that is drawn first: sharp, spread over the source, and like what most heads say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from dashboard.drawing.attention_ranking import (
    AttentionView,
    Pick,
    choose_view,
    describe_view,
    measure_agreement,
    measure_coverage,
    measure_sharpness,
    picked,
    score_alignments,
)
from dashboard.drawing.links import pick_attention
from exported_models.contract.arrays import Floats

SIZE = 6
DIAGONAL = np.eye(SIZE, dtype=np.float32)
UNIFORM = np.full((SIZE, SIZE), 1 / SIZE, np.float32)
LAST = np.eye(SIZE, dtype=np.float32)[np.full(SIZE, SIZE - 1)]
"""Every target token looks at the end of the sentence: sharp, and no alignment."""
ASIDE = np.roll(DIAGONAL, 1, axis=1)
"""Every target token looks one token aside: sharp, spread, and no alignment."""
SOFT = 0.6 * DIAGONAL + 0.4 * UNIFORM

RAW = arrays(np.float32, array_shapes(min_dims=4, max_dims=4, max_side=5), elements=st.floats(0.015625, 1, width=32))


def stack(*layers: tuple[Floats, ...]) -> Floats:
    """[target, layers, heads, source] of maps given layer by layer."""
    return np.moveaxis(np.array(layers), 2, 0).astype(np.float32)


def test_measures_are_one_at_an_alignment_and_less_elsewhere() -> None:
    assert measure_sharpness(DIAGONAL) == pytest.approx(1)
    assert measure_sharpness(UNIFORM) == pytest.approx(0, abs=1e-6)
    assert measure_coverage(DIAGONAL) == pytest.approx(1)
    assert measure_coverage(LAST) == pytest.approx(1 / SIZE)
    assert measure_agreement(DIAGONAL, SOFT) > measure_agreement(ASIDE, SOFT)


@given(RAW)
def test_scores_are_shares(raw: Floats) -> None:
    attention = raw / raw.sum(axis=3, keepdims=True)

    [score] = score_alignments(attention[None, :, 0, 0], pick_attention(attention, None, None))

    assert -1e-5 <= score <= 1 + 1e-5


@pytest.mark.parametrize("misleading", [LAST, ASIDE, UNIFORM])
def test_the_head_that_aligns_is_chosen_among_sharper_ones_that_do_not(misleading: Floats) -> None:
    sharp = 0.9 * DIAGONAL + 0.1 * UNIFORM
    attention = stack((misleading, SOFT, UNIFORM), (SOFT, sharp, SOFT))

    assert choose_view(attention, "best", "best") == AttentionView(1, 1, clearest=True)


def test_layers_compete_by_the_mean_of_their_heads() -> None:
    upper, lower = DIAGONAL.copy(), DIAGONAL.copy()
    upper[: SIZE // 2], lower[SIZE // 2 :] = UNIFORM[: SIZE // 2], UNIFORM[SIZE // 2 :]
    attention = stack((upper, lower), (UNIFORM, UNIFORM))

    assert choose_view(attention, "best", "mean") == AttentionView(0, None, clearest=True)


@pytest.mark.parametrize(
    ("layer", "head", "view"),
    [
        (1, 0, AttentionView(1, 0)),
        ("mean", 1, AttentionView(None, 1)),
        ("mean", "mean", AttentionView(None, None)),
        (0, "best", AttentionView(0, 1, clearest=True)),
        ("best", 0, AttentionView(1, 0, clearest=True)),
    ],
)
def test_what_a_person_picked_is_kept(layer: Pick, head: Pick, view: AttentionView) -> None:
    attention = stack((UNIFORM, SOFT), (DIAGONAL, SOFT))

    assert choose_view(attention, layer, head) == view


@pytest.mark.parametrize(("pick", "index"), [("best", None), ("mean", None), (3, 3), (0, 0)])
def test_a_choice_that_nobody_made_names_no_head(pick: Pick, index: int | None) -> None:
    assert picked(pick) == index


@pytest.mark.parametrize(
    ("view", "sizes", "words"),
    [
        (AttentionView(2, 4, clearest=True), (4, 6), "layer 3, head 5: clearest"),
        (AttentionView(2, None), (4, 6), "layer 3, mean of 6 heads"),
        (AttentionView(None, None), (4, 1), "mean of 4 layers"),
        (AttentionView(0, 0, clearest=True), (1, 1), ""),
    ],
)
def test_a_view_is_said_in_words(view: AttentionView, sizes: tuple[int, int], words: str) -> None:
    assert describe_view(view, *sizes) == words


def test_an_ablated_head_is_not_chosen() -> None:
    attention = stack((np.zeros_like(DIAGONAL), SOFT))

    assert choose_view(attention, "best", "best").head == 1


def test_one_source_token_leaves_nothing_to_rank() -> None:
    attention = np.ones((3, 1, 2, 1), np.float32)

    assert choose_view(attention, "best", "best") == AttentionView(0, 0, clearest=True)
