"""The pictograms of a sentence: one well-formed picture, whatever the map."""

from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest

from dashboard.drawing.palette import colors
from dashboard.drawing.pictograms import WINDOW, Points, draw_pictograms, window_radii

SVG = "{http://www.w3.org/2000/svg}"


def parse(uri: str) -> ElementTree.Element:
    head, _, picture = uri.partition(",")
    assert head == "data:image/svg+xml"
    return ElementTree.fromstring(unquote(picture))


@pytest.fixture
def cloud() -> list[Points]:
    generator = np.random.default_rng(0)
    return [generator.normal(center, 0.1, (20, 2)) for center in range(12)]


def test_there_is_one_window_a_word_side_by_side(cloud: list[Points]) -> None:
    path = np.array([[float(center), float(center)] for center in range(12)])

    picture = parse(draw_pictograms(path, cloud, colors("light")))

    windows = picture.findall(f"{SVG}svg")
    assert [float(window.attrib["x"]) for window in windows] == [WINDOW * index for index in range(12)]
    assert float(picture.attrib["width"]) == 12 * WINDOW


def test_the_scene_is_drawn_once(cloud: list[Points]) -> None:
    path = np.array([[float(center), float(center)] for center in range(12)])

    uri = draw_pictograms(path, cloud, colors("dark"))

    assert len(parse(uri).findall(f".//{SVG}g")) == 1
    assert len(uri) < 30_000


def test_a_window_shows_most_of_its_words_neighbors(cloud: list[Points]) -> None:
    path = np.array([[float(center), float(center)] for center in range(12)])

    for center, radius, points in zip(path, window_radii(path, cloud), cloud, strict=True):
        inside = np.abs(points - center).max(axis=1) <= radius
        assert inside.mean() >= 0.9


def test_states_without_neighbors_or_extent_still_make_a_picture() -> None:
    path = np.zeros((2, 2))

    picture = parse(draw_pictograms(path, [np.zeros((0, 2)), np.zeros((0, 2))], colors("light")))

    sizes = [float(window.attrib["viewBox"].split()[2]) for window in picture.findall(f"{SVG}svg")]
    assert all(size > 0 for size in sizes)
