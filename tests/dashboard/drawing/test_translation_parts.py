"""The translation view's components, and its SVG."""

from xml.etree import ElementTree as Xml

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.drawing.links import prune
from dashboard.drawing.matrix import LABEL_GAP
from dashboard.drawing.palette import colors
from dashboard.drawing.picture import Picture
from dashboard.drawing.svg.document import write_svg
from dashboard.drawing.svg.translation import draw_translation
from dashboard.drawing.translation_parts import (
    canvas_style,
    draw_matrix,
    draw_text_twin,
    draw_top_k,
    draw_words,
    matrix_height,
    matrix_row,
)
from dashboard.drawing.typography import text_width
from dashboard.drawing.words import PairText, TokenText
from dashboard.views.translation import lay_out_words, pick_options, pruned_links
from tests.dashboard.sentences import END, ENGLISH, GERMAN, LONG, make_picture, make_trace

NASTY = ("<script>alert(1)</script>", "&amp;", '"quoted"', "]]>")


@pytest.fixture
def picture() -> Picture:
    return make_picture()


def test_words_are_buttons_over_their_columns(picture: Picture) -> None:
    buttons = draw_words("target", picture.target_words, picture.targets)

    assert [button.children for button in buttons] == [*ENGLISH, "⏎"]
    assert (getattr(buttons[3], "data-side"), getattr(buttons[3], "data-index")) == ("target", "3")
    assert getattr(buttons[3], "style")["left"] == round(picture.targets[3].left)  # noqa: B009


def test_the_chosen_word_is_marked_in_every_column_that_has_it(picture: Picture) -> None:
    for step, column in enumerate(draw_top_k(picture)):
        chosen = [cell.children for cell in column.children if getattr(cell, "className", "") == "chosen"]
        shares = [cell.style["--p"] for cell in column.children]
        assert set(chosen) <= {picture.target_words[step]}
        assert shares == sorted(shares, reverse=True)


def test_each_side_is_written_as_its_own_tokenizer_makes_tokens() -> None:
    made = make_trace(["▁Ein", "stamm"], ["▁A", "log"])

    picture = make_picture(made, text=PairText(TokenText(END), TokenText(END, subwords=True)))

    assert picture.source_words == ("▁Ein", "stamm", "⏎")
    assert picture.target_words == ("A", "·log", "⏎")


def test_markup_in_the_corpus_stays_text() -> None:
    picture = make_picture(make_trace(NASTY, NASTY))

    words, _, _, _ = lay_out_words(picture)
    assert [word.children for word in words][:4] == list(NASTY)
    drawing = draw_translation(picture, (), colors("light"), "]]>")
    texts = [element.text for element in Xml.fromstring(write_svg(drawing, colors("light"))).iter() if element.text]
    assert set(NASTY) <= set(texts)


def test_the_svg_draws_every_word_and_link(picture: Picture) -> None:
    links = pruned_links(picture, 60, None, None)

    drawing = draw_translation(picture, links, colors("dark"), "A title")
    root = Xml.fromstring(write_svg(drawing, colors("dark"), fonts=False))

    assert len([element for element in root.iter() if element.tag.endswith("path")]) == len(links)
    assert [element.text for element in root.iter() if element.text == "A title"] == ["A title", "A title"]


def test_the_matrix_reads_no_markup_in_words() -> None:
    picture = make_picture(make_trace(("<b>bold</b>", "&amp;"), ("<i>",)))
    attention = picture.attention(None, None)
    assert attention is not None

    figure = draw_matrix(picture, attention, colors("light"))

    assert figure["layout"]["yaxis"]["ticktext"][:2] == ["&lt;b&gt;bold&lt;/b&gt;", "&amp;amp;"]
    assert figure["data"][0]["text"][0][0] == "&lt;b&gt;bold&lt;/b&gt; → &lt;i&gt;"


@pytest.mark.parametrize("words", [GERMAN, GERMAN * 6])
def test_the_matrix_stands_over_the_target_words(words: tuple[str, ...]) -> None:
    picture = make_picture(make_trace(words))
    attention = picture.attention(None, None)
    assert attention is not None

    figure = draw_matrix(picture, attention, colors("light"))

    go.Figure(figure)
    trace = figure["data"][0]
    assert np.array(trace["z"]).shape == (len(words) + 1, 11)
    for left, right, column in zip(trace["x"], trace["x"][1:], picture.targets, strict=False):
        assert left < column.center < right
    assert figure["layout"]["height"] == matrix_height(picture)


@pytest.mark.parametrize("words", [GERMAN, LONG[:3], GERMAN * 4])
def test_row_labels_of_the_matrix_fit_beside_it(words: tuple[str, ...]) -> None:
    picture = make_picture(make_trace(words))
    attention = picture.attention(None, None)
    assert attention is not None

    layout = draw_matrix(picture, attention, colors("light"))["layout"]

    labels, size = layout["yaxis"]["ticktext"], layout["yaxis"]["tickfont"]["size"]
    assert len(labels) == len(words) + 1
    assert all(text_width(label, size) + LABEL_GAP < layout["margin"]["l"] for label in labels)
    assert size < matrix_row(picture)
    assert canvas_style(picture)["--matrix-gutter"] == f"{layout['margin']['l']:g}px"


def test_only_labels_of_hundreds_of_pixels_are_cut() -> None:
    words = ("Donaudampfschifffahrtsgesellschaft", "Donaudampfschifffahrtsgesellschaft" * 2)
    picture = make_picture(make_trace(words))
    attention = picture.attention(None, None)
    assert attention is not None

    labels = draw_matrix(picture, attention, colors("light"))["layout"]["yaxis"]["ticktext"]

    assert labels[0] == words[0]
    assert labels[1].endswith("…")
    assert words[1].startswith(labels[1][:-1])


def test_the_text_twin_says_what_each_word_looks_at(picture: Picture) -> None:
    attention = picture.attention(None, None)
    assert attention is not None

    body = draw_text_twin(picture, prune(attention, 0.75)).children[1]

    assert [row.children[0].children for row in body.children] == [*ENGLISH, "⏎"]
    assert all("%" in row.children[2].children for row in body.children)


def test_layers_and_heads_are_offered_when_there_are_several() -> None:
    assert pick_options(2, "layer") == {
        "best": "clearest layer",
        "mean": "mean of 2 layers",
        "0": "layer 1",
        "1": "layer 2",
    }


def test_one_head_differs_from_the_mean() -> None:
    picture = make_picture(make_trace(layers=2, heads=4))

    assert pruned_links(picture, 75, 1, 2) != pruned_links(picture, 75, None, None)
