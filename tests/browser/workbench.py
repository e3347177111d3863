"""The workbench as an analyst uses it: what can be done and what is seen, so that tests read like a story.

Controls are found as a person or a screen reader finds them, by role and name, within the part that has them.
The two canvases have no accessibility tree: they are asked through their Cytoscape instance where something is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Dialog, Locator, Page, Request, Response, expect

from dashboard.drawing.map_figure import Layer
from dashboard.state.page_state import PageState
from dashboard.state.url_state import encode_fragment
from dashboard.views.answers import ANSWER, SURROUNDINGS
from dashboard.views.ids import (
    ChangesRole,
    ComparisonRole,
    ConditionsRole,
    HeaderRole,
    HistoryRole,
    NeighborhoodRole,
    NeighborsRole,
    PageRole,
    TranslationRole,
    TreeRole,
)

END = "⏎"
MOST_STOPS = 60
"""Presses of the Tab key after which a person gives up."""
LIT = re.compile(r"(^| )lit( |$)")
Side = Literal["source", "target"]

# Nothing is on its way to the server and nothing waits to be drawn.
IS_SETTLED = """() => document.fonts.status === 'loaded'
  && !window.beamscope.isAsking() && !window.beamscope.isDrawing()"""

# A new tree is fitted a moment after it is drawn: it stands when two looks, a tenth of a second apart, agree.
TREE_STANDS = """(words) => {
  const cy = window.beamscope.graph('tree-graph');
  if (!cy) return false;
  const best = cy.nodes('.best').sort((a, b) => a.position('x') - b.position('x')).map((node) => node.data('label'));
  const look = JSON.stringify(cy.nodes().map((node) => node.renderedPosition()));
  const same = window.lastLook === look;
  window.lastLook = look;
  return same && JSON.stringify(best.slice(1)) === JSON.stringify(words);
}"""

TREE_NODES = """() => {
  const cy = window.beamscope.graph('tree-graph');
  const box = document.querySelector('[data-role="tree-graph"]').getBoundingClientRect();
  const path = (node) => node.id() === '0' ? [] : [...path(node.incomers('node')[0]), node.data('label')];
  return cy.nodes().map((node) => {
    const place = node.renderedPosition();
    return {
      key: node.id(), path: path(node), x: box.x + place.x, y: box.y + place.y, best: node.hasClass('best'),
      beside: node.hasClass('beside'),
      lit: node.hasClass('lit'), cursor: node.hasClass('cursor'),
      inside: place.x > 4 && place.y > 4 && place.x < box.width - 4 && place.y < box.height - 4,
    };
  });
}"""

# The place of an element, else of what has the focus, in a row.
PLACE = "(row, element) => row.indexOf(element || document.activeElement)"

LIT_LINKS = """() => window.beamscope.graph('translation-links').edges('.lit').map((edge) => edge.id())"""

LIT_STATES = """async () => {
  // Figures are lit a frame after the words.
  await new Promise((done) => window.beamscope.afterPaint(done));
  const figure = document.querySelector('[data-role="neighborhood-graph"] .js-plotly-plot');
  const found = new Set();
  for (const point of figure.querySelectorAll('.scatterlayer .point.lit')) {
    const { trace } = point.closest('.trace').__data__[0];
    found.add(Number(trace.customdata[point.__data__.i]));
  }
  return [...found];
}"""

CHOSEN_STATES = """(layer) => {
  const figure = document.querySelector('[data-role="neighborhood-graph"] .js-plotly-plot');
  return figure.data[layer].customdata;
}"""


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A prefix in the drawing of the beam tree: its words and where its last one stands on the page."""

    key: str
    path: list[str]
    x: float
    y: float
    best: bool
    beside: bool
    lit: bool
    cursor: bool
    inside: bool


class Complaints:
    """Lists that must stay empty whatever a person does: console errors, page errors, requests to other hosts."""

    def __init__(self, page: Page, address: str) -> None:
        self.heard: list[str] = []
        self._host = urlsplit(address).netloc
        page.on("console", lambda message: self._hear(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._hear(f"page error: {error.stack or error}"))
        page.on("request", self._check_host)
        page.on("requestfailed", self._check_failure)
        page.on("dialog", self._refuse_dialog)

    def _hear(self, text: str) -> None:
        self.heard.append(text)

    def _refuse_dialog(self, dialog: Dialog) -> None:
        self._hear(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _check_host(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self._host:
            self._hear(f"asked another host: {request.url}")

    def _check_failure(self, request: Request) -> None:
        # A page that is left takes its questions back.
        if request.failure != "net::ERR_ABORTED":
            self._hear(f"{request.url} failed: {request.failure}")


class Workbench:
    """One visitor's page."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints = Complaints(page, address)
        self.translation = self.part(TranslationRole.CARD)
        self.tree = self.part(TreeRole.CARD)
        self.neighborhood = self.part(NeighborhoodRole.CARD)
        self.neighbors = self.part(NeighborsRole.CARD)
        self.source = self.part(HeaderRole.SOURCE).get_by_role("textbox")
        self.notice = self.part(PageRole.NOTICE)
        self.waiting = page.locator(".waiting")

    def part(self, role: StrEnum) -> Locator:
        """A part of the page by its role."""
        return self.page.locator(f'[data-role="{role}"]')

    # Coming and going

    def open(self, state: PageState | None = None, fragment: str = "") -> Workbench:
        """Follow a link to ``state``, or one with this fragment; without either the page opens with its example."""
        named = encode_fragment(state) if state else fragment
        self.page.goto(f"{self.address}#{named}" if named else self.address)
        return self

    def show(self, state: PageState) -> None:
        """Let the page ask for another request without a control being touched."""
        wish = {"verb": "open", "fragment": encode_fragment(state)}
        self.page.evaluate("(wish) => window.beamscope.active().wish(wish)", wish)

    def leave(self) -> None:
        """Close the page, while there still is a server to close it to."""
        self.page.close()

    def settle(self) -> None:
        """Wait until nothing is on its way."""
        self.page.wait_for_function(IS_SETTLED)

    # The header

    def translate(self, text: str, *, by_key: bool = False) -> None:
        """Type a source text and ask for its translation."""
        self.source.fill(text)
        if by_key:
            self.source.press("Enter")
        else:
            self.page.get_by_role("button", name="Translate").click()

    def click_button(self, name: str) -> None:
        """Press a button of the header."""
        self.page.get_by_role("banner").get_by_role("button", name=name, exact=True).click()

    # Words, attention and top k

    def words(self, side: Side) -> Locator:
        """The boxes of the source or target words."""
        row = TranslationRole.SOURCE_WORDS if side == "source" else TranslationRole.TARGET_WORDS
        return self.part(row).locator("button")

    def read_words(self, side: Side) -> list[str]:
        """The source or target words as they stand there now."""
        return self.words(side).all_text_contents()

    def top_k(self, step: int) -> Locator:
        """The alternatives of a target step (from 0), the most probable first."""
        return self.part(TranslationRole.TOP_K).locator(f'[data-index="{step}"] button')

    def choose(self, card: Locator, option: str) -> None:
        """Press one of a few exclusive choices."""
        card.get_by_role("radio", name=option, exact=True).check()

    def open_panel(self, title: str) -> Locator:
        """Press the button that opens a panel; the panel."""
        button = self.page.get_by_title(title, exact=True).and_(self.page.get_by_role("button"))
        button.click()
        panel = self.page.get_by_role("dialog").and_(self.page.locator(":visible"))
        expect(panel).to_have_count(1)
        return panel

    def choose_map(self, option: str) -> None:
        """Choose the extent of the map or how it is made."""
        self.choose(self.open_panel("Which map"), option)
        self.page.keyboard.press("Escape")

    # The menu of a word, and the conditions of the answer

    def word_menu(self) -> Locator:
        """The menu of a word, once it is open."""
        return self.page.get_by_role("dialog", name="Change a word")

    def conditions(self) -> Locator:
        """What the answer was asked for beyond its source: a button for each, to take it back."""
        return self.part(ConditionsRole.LIST).get_by_role("button", name="Take back")

    # Two answers side by side

    def expect_compared(self, before: str, after: str) -> Locator:
        """The words of both sides spell these texts; the card that says what changed."""
        expect(self.part(ComparisonRole.BEFORE).get_by_role("button")).to_have_text([*before, END])
        expect(self.part(ComparisonRole.AFTER).get_by_role("button")).to_have_text([*after, END])
        self.settle()
        return self.part(ChangesRole.CONTENT)

    # The keyboard

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, wanted: Locator, key: str = "Tab") -> None:
        """Press Tab until something has the focus, as a person without a mouse does."""
        for _ in range(MOST_STOPS):
            if wanted.evaluate("(element) => element === document.activeElement"):
                return
            self.page.keyboard.press(key)
        raise AssertionError(f"{MOST_STOPS} stops of the {key} key, and none is {wanted}.")

    def walk_to(self, wanted: Locator, row: Locator, key: str = "Tab") -> None:
        """Come to a row of words by Tab, which stops at one of them, and to a word in it by the arrow keys."""
        for _ in range(MOST_STOPS):
            if row.evaluate("(element) => element.contains(document.activeElement)"):
                break
            self.page.keyboard.press(key)
        here, there = (row.get_by_role("button").evaluate_all(PLACE, one) for one in (None, wanted.element_handle()))
        for _ in range(abs(there - here)):
            self.page.keyboard.press("ArrowRight" if there > here else "ArrowLeft")
        expect(wanted).to_be_focused()

    # Beam tree

    def tree_nodes(self) -> list[TreeNode]:
        """The drawn prefixes, once the tree of the current translation stands still."""
        self.page.wait_for_function(TREE_STANDS, arg=self.read_words("target"), polling=100)
        return [TreeNode(**node) for node in self.page.evaluate(TREE_NODES)]

    def click_node(self, node: TreeNode, button: Literal["left", "right"] = "left") -> None:
        """Click a prefix on the canvas."""
        self.page.mouse.click(node.x, node.y, button=button)

    # Marks of words

    def lit_links(self) -> list[tuple[int, int]]:
        """Source and target of the attention links in red."""
        return [tuple(map(int, name.split("-"))) for name in self.page.evaluate(LIT_LINKS)]  # type: ignore[misc]

    def lit_states(self) -> list[int]:
        """Words whose states are marked on the map."""
        return sorted(self.page.evaluate(LIT_STATES))

    def chosen_states(self) -> list[int]:
        """Words whose states stand out on the map because their word is chosen."""
        return [int(word) for word in self.page.evaluate(CHOSEN_STATES, int(Layer.CHOSEN))]

    def pictograms(self) -> Locator:
        """One button a word of the space on view."""
        return self.part(NeighborhoodRole.PICTOGRAMS).locator("button")

    def pairs(self) -> Locator:
        """The neighbors of the chosen word: one button a training pair."""
        return self.part(NeighborsRole.LIST).locator("button")

    # History

    def moments(self) -> Locator:
        """The what-ifs of the branch on view, in the order they follow each other."""
        return self.part(HistoryRole.STRIP).locator("button")

    def open_history(self) -> Locator:
        """Open the whole tree of what-ifs; its rows, from the top."""
        self.page.keyboard.press("h")
        return self.part(HistoryRole.TREE).get_by_role("treeitem")

    def choose_in_session_menu(self, name: str) -> None:
        """Press an entry of the menu of sessions."""
        self.open_panel("Save, open or share this session").get_by_role("button", name=name).click()

    def save_session(self) -> Path:
        """Save the session; the file."""
        with self.page.expect_download() as saving:
            self.choose_in_session_menu("Save session")
        return saving.value.path()

    def copy_session_link(self) -> str:
        """Copy a link to the session; the link."""
        self.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.choose_in_session_menu("Copy a link to the session")
        self.expect_notice("The link to this session is copied.")
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def open_session(self, file: Path) -> None:
        """Open a session file as the menu does."""
        with self.page.expect_file_chooser() as choosing:
            self.choose_in_session_menu("Open a session file")
        choosing.value.set_files(file)

    # The picture

    def expect_target(self, text: str) -> None:
        """The target words spell ``text``."""
        expect(self.words("target")).to_have_text([*text, END])

    def expect_target_begins(self, path: Sequence[str]) -> None:
        """The target begins with these words."""
        beginning = re.compile("^" + re.escape("".join(path)))
        expect(self.part(TranslationRole.TARGET_WORDS)).to_have_text(beginning)

    def expect_neighborhood(self) -> None:
        """Map, pictograms and neighbors of the current request are there."""
        expect(self.neighborhood.locator(".main-svg").first).to_be_visible()
        expect(self.pictograms().first).to_be_visible()
        expect(self.pairs().first).to_be_visible()
        self.settle()

    def expect_notice(self, text: str | re.Pattern[str]) -> None:
        """One notification is shown, and says this."""
        expect(self.notice).to_be_visible()
        expect(self.notice).to_have_text(text)

    def expect_no_notice(self) -> None:
        """No notification is shown."""
        expect(self.notice).to_be_hidden()


class Traffic:
    """Calls to the server and their answers, while it listens."""

    def __init__(self, page: Page) -> None:
        self._responses: list[Response] = []
        page.on("response", self._hear)

    def _hear(self, response: Response) -> None:
        if urlsplit(response.url).path in (ANSWER, SURROUNDINGS):
            self._responses.append(response)

    def answers(self) -> list[tuple[str, bytes]]:
        """Of each call so far, its path and the body of its answer, uncompressed."""
        answered = [response for response in self._responses if response.status == 200]
        return [(urlsplit(response.url).path, response.body()) for response in answered]

    def questions(self) -> list[str]:
        """The body of each call's request."""
        return [response.request.post_data or "" for response in self._responses]
