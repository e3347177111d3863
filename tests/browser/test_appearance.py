"""Themes, room, and what a screen reader finds."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest
from playwright.sync_api import Locator, expect

from dashboard.state.page_state import PageState
from exported_models.contract.request import Request
from tests.browser.conftest import AMBIGUOUS, Visit
from tests.browser.workbench import Workbench

LONG_SOURCE = "Wednesday, March 3, 1999 Wednesday, March 3, 1999"
MANY = 300
EDGES = "places => places.map(place => place.getBoundingClientRect()).map(box => [box.left, box.right])"
LEAST_CONTRAST = 4.5
"""WCAG 2.2, level AA, for text of any size."""

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

# Texts on view that are too faint on what is painted behind them. Disabled controls may be, says WCAG.
FAINT_TEXTS = """(least) => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = color.map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const backgrounds = (element) => {
    for (let under = element; under; under = under.parentElement) {
      const style = getComputedStyle(under);
      const gradient = style.backgroundImage.match(/(rgba?|color)\\([^()]*\\)/g);
      if (gradient && style.backgroundImage.startsWith('linear-gradient')) return gradient.map(rgba);
      const color = rgba(style.backgroundColor);
      if (color[3] === 255) return [color];
    }
    return [[255, 255, 255, 255]];
  };
  const faint = [];
  for (const element of document.querySelectorAll('[data-role="page-body"] *')) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent).join('');
    if (!text.trim() || element.closest('svg, .spoken, :disabled') || !element.checkVisibility()) continue;
    const ink = rgba(getComputedStyle(element).color);
    const ratio = Math.min(...backgrounds(element).map((color) => contrast(ink, color)));
    if (ratio < least) faint.push(`${text.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""


def box_of(locator: Locator) -> tuple[float, float, float, float]:
    """Left, top, right and bottom on the page."""
    box = locator.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def overlap(one: Locator, other: Locator) -> bool:
    """Whether two boxes share more than a rounded edge."""
    left, top, right, bottom = box_of(one)
    other_left, other_top, other_right, other_bottom = box_of(other)
    across = min(right, other_right) - max(left, other_left)
    down = min(bottom, other_bottom) - max(top, other_top)
    return across > 1 and down > 1


@pytest.mark.parametrize("theme", THEMES)
def test_a_visitors_theme_is_followed(come: Visit, address: str, theme: str) -> None:
    workbench = come(address, color_scheme=theme).open()

    expect(workbench.page.locator("html")).to_have_attribute("data-theme", theme)


def test_the_theme_can_be_changed_and_is_kept(workbench: Workbench) -> None:
    workbench.expect_neighborhood()
    body, root = workbench.page.locator("body"), workbench.page.locator("html")
    light = body.evaluate("element => getComputedStyle(element).backgroundColor")

    workbench.click_button("Light or dark")
    expect(root).to_have_attribute("data-theme", "dark")
    expect(body).not_to_have_css("background-color", light)
    workbench.expect_target("2005-03-04")

    workbench.page.reload()
    workbench.expect_target("2005-03-04")
    expect(root).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize("theme", THEMES)
def test_every_text_can_be_read(come: Visit, address: str, theme: str) -> None:
    workbench = come(address, color_scheme=theme).open(PageState(Request("dates", AMBIGUOUS)))
    workbench.expect_neighborhood()

    assert workbench.page.evaluate(FAINT_TEXTS, LEAST_CONTRAST) == []


def test_a_long_source_scrolls_in_its_card_and_nothing_overlaps(come: Visit, address: str) -> None:
    workbench = come(address).open(PageState(Request("dates", LONG_SOURCE)))
    workbench.expect_neighborhood()
    expect(workbench.words("source")).to_have_count(len(LONG_SOURCE) + 1)

    scroller = workbench.translation.locator(".scroller")
    assert scroller.evaluate("element => element.scrollWidth > element.clientWidth")
    assert workbench.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert overlapping(workbench) == []

    edges = workbench.words("source").evaluate_all(EDGES)
    assert all(right <= left for (_, right), (left, _) in pairwise(edges))
    workbench.words("source").last.scroll_into_view_if_needed()
    expect(workbench.words("source").last).to_be_in_viewport()


def test_three_hundred_tokens_and_steps_lie_apart_and_can_be_used(come: Visit, address: str) -> None:
    source = ("Wednesday, March 3, 1999 " * 12)[:299]
    request = Request("dates", source, beam_size=2, min_length=MANY, max_length=MANY)
    workbench = come(address).open(PageState(request))
    expect(workbench.words("source")).to_have_count(MANY)
    expect(workbench.words("target")).to_have_count(MANY)
    workbench.expect_neighborhood()

    page = workbench.page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    assert overlapping(workbench) == []
    for row in (*(f".{side}-words button" for side in ("source", "target")), ".top-column"):
        edges = workbench.translation.locator(row).evaluate_all(EDGES)
        assert len(edges) == MANY
        assert all(right <= left for (_, right), (left, _) in pairwise(edges))

    workbench.choose(workbench.translation, "Matrix")
    matrix = workbench.translation.locator(".heatmaplayer image")
    expect(matrix).to_be_visible()
    assert overlapping(workbench) == []
    tree = workbench.tree.get_by_role("application")
    tree.focus()
    for _ in range(3):
        tree.press("ArrowRight")
    cursor = next(node for node in workbench.tree_nodes() if node.cursor)
    assert len(cursor.path) == 3
    workbench.show(PageState(Request("dates", AMBIGUOUS)))
    workbench.expect_target("2005-03-04")
    workbench.expect_no_notice()
    workbench.settle()


def overlapping(workbench: Workbench) -> list[tuple[Locator, Locator]]:
    """Cards and bars that cover each other."""
    cards = [workbench.translation, workbench.tree, workbench.neighborhood, workbench.neighbors]
    parts = [*cards, *(workbench.page.get_by_role(role) for role in ("banner", "navigation", "contentinfo"))]
    return [(one, other) for one in parts for other in parts if one is not other and overlap(one, other)]


def test_every_control_has_a_name(standing: Workbench) -> None:
    standing.expect_neighborhood()
    page = standing.page

    expect(page.locator("html")).to_have_attribute("lang", "en")
    for role in ("button", "radio", "textbox", "spinbutton", "slider", "application", "img"):
        named = page.get_by_role(role).and_(page.locator("[data-role='page-body'] *:not(svg, svg *)"))
        nameless = [one for one in named.all() if one.aria_snapshot().splitlines()[0].strip(": ") == f"- {role}"]
        assert [one.evaluate("element => element.outerHTML.slice(0, 120)") for one in nameless] == []


def test_the_page_has_landmarks_and_headings(standing: Workbench) -> None:
    page = standing.page

    for role in ("banner", "navigation", "main", "contentinfo", "search"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("Beamscope")
    for name in ("Translation", "Beam tree", "Neighborhood", "What the model has seen here"):
        expect(page.get_by_role("region", name=name)).to_be_visible()
        expect(page.get_by_role("heading", level=2, name=name)).to_be_visible()


def test_every_drawing_has_a_text_twin(workbench: Workbench) -> None:
    workbench.expect_neighborhood()

    expect(workbench.neighborhood.get_by_role("table")).to_have_count(1)
    workbench.choose(workbench.translation, "Text")
    expect(workbench.translation.get_by_role("table")).to_have_count(1)
    workbench.choose(workbench.tree, "Text")
    expect(workbench.tree.get_by_role("table")).to_have_count(len("2005-03-04") + 1)


def test_views_and_tables_are_saved_by_keys(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    page = workbench.page

    for button, name, begins in (
        ("Translation as SVG", "dates-translation.svg", b"<svg"),
        ("Beam tree as PNG", "dates-tree.png", b"\x89PNG"),
        ("Hypotheses by token as Parquet", "dates-hypotheses.parquet", b"PAR1"),
    ):
        page.keyboard.press("x")
        page.get_by_role("button", name=button).focus()
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        assert download.value.suggested_filename == name
        assert download.value.path().read_bytes().startswith(begins)
        expect(page.get_by_role("dialog").and_(page.locator(":visible"))).to_have_count(0)


@pytest.mark.parametrize("name", ["Translation", "Beam tree", "Neighborhood", "What the model has seen here"])
def test_every_card_is_enlarged_to_the_whole_page_and_brought_back(standing: Workbench, name: str) -> None:
    standing.expect_neighborhood()
    page = standing.page
    card, button = page.get_by_role("region", name=name), page.get_by_role("button", name=f"Enlarge {name}")
    before = box_of(card)

    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    left, top, right, bottom = box_of(card)
    assert (left, top) < (40, 40)
    assert (right, bottom) > (1400, 860)
    page.keyboard.press("Escape")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert box_of(card) == pytest.approx(before, abs=1)

    button.focus()
    page.keyboard.press("f")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("f")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_drawings_take_the_room_of_an_enlarged_card(workbench: Workbench) -> None:
    workbench.expect_neighborhood()
    page = workbench.page
    graph, tree = workbench.neighborhood.locator(".main-svg").first, workbench.tree.locator("canvas").first
    widths = [box_of(drawing)[2] - box_of(drawing)[0] for drawing in (graph, tree)]
    words = workbench.words("target").first
    narrow = box_of(words)[2] - box_of(words)[0]

    for name, drawing, before in (("Neighborhood", graph, widths[0]), ("Beam tree", tree, widths[1])):
        page.get_by_role("button", name=f"Enlarge {name}").click()
        page.wait_for_function(
            "([element, before]) => element.getBoundingClientRect().width > 1.2 * before",
            arg=[drawing.element_handle(), before],
        )
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Enlarge Translation").click()
    page.wait_for_function(
        "([element, before]) => element.getBoundingClientRect().width > before", arg=[words.element_handle(), narrow]
    )
