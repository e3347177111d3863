"""Attention as links: pruned to its mass, ends under the words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from dashboard.drawing.geometry import place
from dashboard.drawing.links import HEIGHT, curve_data, link_elements, link_stylesheet, pick_attention, prune
from exported_models.contract.arrays import Floats

RAW = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.floats(0.015625, 1, width=32))


@given(RAW, st.floats(0.05, 1))
def test_links_carry_the_mass_and_no_link_is_spare(raw: Floats, mass: float) -> None:
    attention = raw / raw.sum(axis=1, keepdims=True)

    links = prune(attention, mass)

    for target, row in enumerate(attention):
        weights = sorted(link.weight for link in links if link.target == target)
        assert sum(weights) >= mass - 1e-5
        assert sum(weights[1:]) < mass + 1e-5
        assert weights == sorted(row.tolist())[-len(weights) :]


def test_a_row_of_one_weight_has_one_link_at_any_mass() -> None:
    attention = np.array([[0, 1, 0]], np.float32)

    assert [(link.source, link.weight) for link in prune(attention, 1.0)] == [(1, 1.0)]


def test_layers_and_heads_are_picked_or_averaged() -> None:
    attention = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)

    assert np.array_equal(pick_attention(attention, 1, 2), attention[:, 1, 2])
    assert np.allclose(pick_attention(attention, None, 2), attention[:, :, 2].mean(axis=1))
    assert np.allclose(pick_attention(attention, None, None), attention.mean(axis=(1, 2)))


def test_ends_stand_in_the_middle_of_their_words() -> None:
    sources, targets = place([30, 60]), place([80])

    elements = link_elements(prune(np.array([[0.5, 0.5]], np.float32), 1), sources, targets, frozenset({0}))

    places = {element["data"]["id"]: element["position"] for element in elements if "position" in element}
    assert places["s1"] == {"x": sources[1].center, "y": 0}
    assert places["t0"] == {"x": 40, "y": HEIGHT}
    edges = [element for element in elements if "source" in element["data"]]
    assert [edge["data"]["source"] for edge in edges] == ["s0", "s1"]
    assert {edge["classes"] for edge in edges} == {"forced"}


@pytest.mark.parametrize("dx", [-300.0, 0.0, 55.0])
def test_links_leave_and_arrive_upright(dx: float) -> None:
    bend = curve_data(dx, HEIGHT)

    length = float(np.hypot(dx, HEIGHT))
    along, across = bend["c"][0], bend["d"][0]
    x = along * dx - across * HEIGHT / length
    assert x == pytest.approx(dx / 16, abs=1)
    assert bend["d"] == [across, -across]


def test_both_themes_style_the_same_things() -> None:
    light, dark = ([rule["selector"] for rule in link_stylesheet(theme)] for theme in ("light", "dark"))

    assert light == dark
    assert link_stylesheet("light") != link_stylesheet("dark")
