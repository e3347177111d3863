"""Training examples around a state: spaces, maps, neighbors and their pairs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from dashboard.state.page_state import PageState
from dashboard.views.answers import SURROUNDINGS
from exported_models.contract.request import Request
from tests.browser.conftest import AMBIGUOUS, Visit
from tests.browser.workbench import Workbench

RANGES = """() => {
  const { xaxis, yaxis } = document.querySelector('[data-role="neighborhood-graph"] .js-plotly-plot')._fullLayout;
  return [xaxis.range, yaxis.range];
}"""
"""What the map has room for, in units of the projection."""


@pytest.fixture
def looking(workbench: Workbench) -> Workbench:
    """A visitor whose page has its neighborhood."""
    workbench.expect_neighborhood()
    return workbench


@pytest.mark.parametrize(("space", "side"), [("Encoder", "source"), ("Context", "target"), ("Decoder", "target")])
def test_each_space_shows_its_own_words(standing: Workbench, space: str, side: str) -> None:
    standing.choose(standing.neighborhood, space)

    words = standing.words("source" if side == "source" else "target").all_text_contents()
    expect(standing.pictograms()).to_have_text(words)
    table = standing.neighborhood.get_by_role("table", name=f"Nearest training states in the {space.lower()} space")
    expect(table.get_by_role("row")).to_have_count(len(words) + 1)
    expect(standing.neighbors).to_contain_text("Nearest state at")
    verb = "stand on" if side == "source" else "go on with"
    expect(standing.neighbors).to_contain_text(verb)


def test_the_first_map_is_as_large_as_one_that_comes_later(come: Visit, address: str) -> None:
    """Its figure is there before its states are, beside a line that says what is waited for."""
    workbench = come(address)
    held: list[Route] = []
    workbench.page.route(f"**{SURROUNDINGS}", lambda route: held.append(route), times=1)

    workbench.open(PageState(Request("dates", AMBIGUOUS)))
    workbench.page.wait_for_selector(".js-plotly-plot .main-svg", state="attached")
    held.pop().continue_()
    workbench.expect_neighborhood()
    first = workbench.page.evaluate(RANGES)
    for space in ("Encoder", "Decoder"):
        workbench.choose(workbench.neighborhood, space)
        workbench.settle()

    assert workbench.page.evaluate(RANGES) == first


def test_the_corpus_map_and_its_methods(looking: Workbench) -> None:
    looking.choose_map("Corpus map")
    expect(looking.neighborhood.get_by_text("Corpus map · UMAP")).to_be_visible()
    expect(looking.neighborhood).to_contain_text(re.compile(r"[\d,]+ of [\d,]+ corpus states"))
    expect(looking.neighborhood.locator(".main-svg image").first).to_be_attached()

    looking.choose_map("Landmark MDS")
    looking.settle()
    expect(looking.neighborhood).to_contain_text("corpus states")

    looking.choose_map("Local map")
    expect(looking.neighborhood.get_by_text("Local map · MDS")).to_be_visible()
    expect(looking.neighborhood).to_contain_text("20 neighbors a token")


@pytest.mark.parametrize("method", ["PCA", "t-SNE"])
def test_another_local_map_draws_the_same_words(standing: Workbench, method: str) -> None:
    standing.choose_map(method)
    standing.settle()

    expect(standing.pictograms()).to_have_text(standing.read_words("target"))
    expect(standing.neighborhood.locator(".scatterlayer .point").first).to_be_visible()
    standing.expect_no_notice()


def test_a_pictogram_chooses_its_word(looking: Workbench) -> None:
    looking.pictograms().nth(3).click()

    expect(looking.pictograms().nth(3)).to_have_attribute("aria-pressed", "true")
    expect(looking.words("target").nth(3)).to_have_class(re.compile("picked"))
    expect(looking.neighbors).to_contain_text("step 4, before “5”")


def test_choosing_a_source_word_brings_the_encoder_space(looking: Workbench) -> None:
    looking.words("source").nth(1).click()

    expect(looking.neighborhood.get_by_role("radio", name="Encoder")).to_be_checked()
    expect(looking.neighbors).to_contain_text("token 2, “3”")


def test_a_word_chosen_before_the_map_came_is_marked_in_it(come: Visit, address: str) -> None:
    workbench = come(address)
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if not held:
            held.append(route)
        else:
            route.fallback()

    workbench.page.route(f"**{SURROUNDINGS}", hold_the_first)
    workbench.open(PageState(Request("dates", AMBIGUOUS)))
    workbench.expect_target("2005-03-04")
    workbench.words("target").nth(3).click()
    expect(workbench.pictograms().nth(3)).to_have_attribute("aria-pressed", "true")
    expect(workbench.neighborhood.locator(".scatterlayer .point").first).to_be_attached()
    held[0].continue_()
    workbench.settle()

    assert workbench.chosen_states() == [3]


def test_a_busy_server_is_asked_again(come: Visit, address: str) -> None:
    workbench = come(address)
    busy = {"status": 503, "headers": {"Retry-After": "1"}, "json": {"error": "The server is busy."}}
    workbench.page.route(f"**{SURROUNDINGS}", lambda route: route.fulfill(**busy), times=1)

    workbench.open(PageState(Request("dates", AMBIGUOUS)))
    workbench.expect_neighborhood()

    workbench.expect_no_notice()
    assert "503" in workbench.complaints.heard.pop()


def test_neighbors_are_training_pairs_with_the_token_marked(looking: Workbench) -> None:
    looking.words("target").nth(6).click()
    expect(looking.neighbors).to_contain_text("step 7")
    pairs = looking.pairs()
    assert AMBIGUOUS not in pairs.locator(".pair-source").all_inner_texts()
    distances = [float(text) for text in pairs.locator(".amount").all_inner_texts()]
    assert distances == sorted(distances)

    for offset, place in (("0", 6), ("−1", 5), ("+1", 7)):
        looking.choose(looking.neighbors, offset)
        before = looking.pairs().first.locator(".pair-target")
        expected = before.inner_text()[place]
        expect(before.locator("mark")).to_have_text(expected)


def test_what_the_neighbors_say_next_stands_beside_the_model(looking: Workbench) -> None:
    looking.words("target").nth(6).click()

    table = looking.neighbors.get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["token", "model", "neighbors"])
    expect(table.get_by_role("row").nth(1).get_by_role("rowheader")).to_have_text("3")


def test_a_neighbors_pair_opens_as_a_translation(looking: Workbench) -> None:
    looking.words("target").nth(6).click()
    expect(looking.neighbors).to_contain_text("step 7")
    looking.settle()
    pair = looking.pairs().first
    source, target = (pair.locator(f".pair-{side}").inner_text() for side in ("source", "target"))

    pair.click()

    expect(looking.source).to_have_value(source)
    looking.expect_target(target)
    expect(looking.neighbors).to_contain_text(re.compile(r"step \d+, before"))
    looking.settle()
    chosen = re.search(r"step (\d+), before", looking.neighbors.inner_text())
    assert chosen is not None
    expect(looking.page.locator(".words .picked")).to_have_count(1)
    expect(looking.words("target").nth(int(chosen[1]) - 1)).to_have_class(re.compile("picked"))
    expect(looking.moments()).to_have_count(2)
    expect(looking.neighbors.locator(".pair-source").filter(has_text=source)).to_have_count(0)


def test_the_neighborhood_follows_a_what_if(looking: Workbench) -> None:
    wanted = looking.top_k(6).nth(1).inner_text()
    looking.top_k(6).nth(1).click()
    looking.expect_target_begins([*"2005-0", wanted])

    expect(looking.pictograms().nth(6)).to_have_text(wanted)
    looking.pictograms().nth(6).click()
    expect(looking.neighbors).to_contain_text(f"step 7, before “{wanted}”")
