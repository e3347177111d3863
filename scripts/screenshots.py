"""Take pictures of the workbench over the demo: docs/workbench-light.png and docs/workbench-dark.png.

    python -m scripts.screenshots
    python -m scripts.screenshots --state compare --state history       # those of docs/compare.md and docs/sessions.md
    python -m scripts.screenshots --command serve --workspace FOLDER --model multi30k \\
        --source "Ein brauner Hund rennt auf einer Wiese einem Ball hinterher ." --state word-menu   # of docs/change.md
    python -m scripts.screenshots --journey search-error --journey repair --journey substitute --journey session
    python -m scripts.screenshots --command serve --workspace FOLDER --journey two-models      # where dates-int8 is too
    python -m scripts.screenshots --size 1920x1080 --out build/screenshots
    python -m scripts.screenshots --command serve --workspace FOLDER --model multi30k --source "Ein Hund."
    python -m scripts.screenshots --state matrix --state help --out build/screenshots

The demo is built first where it is not there yet; with ``--command serve`` the workspace is shown as it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dashboard.state.packing import pack
from dashboard.state.page_state import PageState
from dashboard.state.url_state import encode_fragment
from dashboard.views.sessions import FRAGMENT
from dashboard.worked_examples import load_examples
from exported_models.contract.request import AttentionOverride, Request
from scripts.running_workbench import running_workbench

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
FIND_CHROMIUM = ROOT / "scripts" / "find_chromium.sh"
CHROMIUM_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
MODEL = "dates"
SOURCE = "03/04/05"
"""Day and month may be either: the model hesitates, so every view has something to show."""
STATES: Mapping[str, Sequence[tuple[str, str]]] = {
    "start": (),
    "matrix": (("radio", "Matrix"),),
    "texts": (("radio", "Text"), ("tree", "Text")),
    "whole-tree": (("radio", "All"), ("button", "Fit")),
    "attention-mode": (("radio", "Change attention"),),
    "attention-options": (("panel", "Which attention is drawn"),),
    "hypotheses": (("panel", "Choose another hypothesis"),),
    "help": (("panel", "Keyboard shortcuts"),),
    "corpus-map": (("panel", "Which map"), ("radio", "Corpus map")),
    "word-menu": (("word", "4"),),
    "compare": (("button", "Pin"), ("choice", "7.2")),
    "history": (("choice", "7.2"), ("choice", "10.2"), ("key", "u"), ("key", "u"), ("choice", "10.2"), ("key", "h")),
    "large-map": (("button", "Enlarge Neighborhood"),),
    "large-tree": (("button", "Enlarge Beam tree"), ("radio", "All")),
}
"""State of the page -> what is pressed to reach it: the kind of control and its name."""
MISTAKE = PageState(Request(MODEL, "7/4/1974"))
JOURNEYS: Mapping[str, str] = {
    "search-error": encode_fragment(
        PageState(Request(MODEL, "1/11/05", beam_size=2)).pin(PageState(Request(MODEL, "1/11/05", beam_size=1)))
    ),
    "repair": encode_fragment(
        PageState(Request(MODEL, "7/4/1974", overrides=(AttentionOverride(9, ((0, 1.0),)),))).pin(MISTAKE)
    ),
    "substitute": encode_fragment(
        PageState(Request(MODEL, "May 3, 1999")).pin(PageState(Request(MODEL, "March 3, 1999")))
    ),
    "two-models": encode_fragment(
        PageState(Request(f"{MODEL}-int8", "5/8/31")).pin(PageState(Request(MODEL, "5/8/31")))
    ),
    "session": FRAGMENT + pack(load_examples([MODEL])["1-one-number-twice"].model_dump(mode="json")),
}
"""Task of docs/tasks.md -> what follows the # in the address of the page that shows it."""
BESIDE = frozenset(JOURNEYS) - {"session"}
"""Journeys that end with two answers beside each other."""
SIZE = (1440, 900)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PATIENCE_MS = 90_000
MOST_TRIES = 40
BETWEEN_TRIES_MS = 500

# Elements that must be on the page before a picture is worth taking.
DRAWN = (
    '[data-role="translation-target-words"] [data-index]',
    '[data-role="translation-links"] canvas',
    '[data-role="tree-graph"] canvas',
    '[data-role="neighborhood-card"]:not([data-empty]) .main-svg',
    '[data-role="neighborhood-pictograms"] [data-index], [data-compares="yes"] [data-role="neighborhood-of-both"] *',
    '[data-role="neighbors-list"] *',
)
# The same beside a pinned answer. States of two models share no map, and a twin may have no store.
DRAWN_BESIDE = (
    '[data-role="comparison-after"] [data-index]',
    '[data-role="comparison-links-after"] *',
    '[data-role="changes-content"] table',
    '[data-role="tree-graph"] canvas',
)
IS_SETTLED = """(drawn) => document.fonts.status === 'loaded'
    && drawn.every((selector) => document.querySelector(selector))
    && !window.beamscope.isAsking() && !window.beamscope.isDrawing()"""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture to take.

    Attributes:
        state: name of the state of the page, or of a journey.
        fragment: what follows the # in the address.
        pressed: what is pressed after the page has opened, see `press`.
        beside: whether it opens with a pinned answer.
        size: width and height in pixels.
    """

    state: str
    fragment: str
    pressed: Sequence[tuple[str, str]]
    beside: bool
    size: tuple[int, int]

    def name(self, theme: str) -> str:
        """Name of the file; only what differs from the pictures of the documentation is in it."""
        state = "" if self.state == "start" else f"-{self.state}"
        width = "" if self.size == SIZE else f"-{self.size[0]}"
        return f"workbench{state}-{theme}{width}.png"


def take_pictures(address: str, folder: Path, shots: Sequence[Shot]) -> list[Path]:
    """One picture a shot and theme of the page at ``address``; their files."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        try:
            return [take_picture(browser, address, theme, folder, shot) for shot in shots for theme in THEMES]
        finally:
            browser.close()


def take_picture(browser: Browser, address: str, theme: Literal["light", "dark"], folder: Path, shot: Shot) -> Path:
    """The page as a visitor with that color scheme sees it."""
    viewport = {"width": shot.size[0], "height": shot.size[1]}
    context = browser.new_context(viewport=viewport, color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    with context:
        page = context.new_page()
        page.goto(f"{address}#{shot.fragment}")
        drawn = DRAWN_BESIDE if shot.beside else DRAWN
        wait_until_drawn(page, drawn)
        for kind, name in shot.pressed:
            press(page, kind, name)
        picture = settle(page, page.screenshot, drawn)
    path = folder / shot.name(theme)
    path.write_bytes(picture)
    return path


def press(page: Page, kind: str, name: str) -> None:
    """Press a control of the page.

    Args:
        kind: ``radio``, ``button``, ``panel`` (its button), ``tree`` (a radio), ``key`` of the keyboard, ``word``: the
            menu of a target word; or ``choice``: a word of the top k, whose answer is waited for.
        name: of the control; of a word its step, and of a word of the top k its step and rank, counted from 1.
    """
    if kind == "choice":
        step, rank = (int(number) - 1 for number in name.split("."))
        page.locator(f'[data-role="translation-top-k"] [data-index="{step}"] button').nth(rank).click()
        page.mouse.move(0, 0)  # nothing is lit by the pointer
        wait_until_drawn(page)
    elif kind == "word":
        page.locator('[data-role="translation-target-words"] button').nth(int(name) - 1).click(button="right")
        wait_until_drawn(page)
    elif kind == "key":
        page.keyboard.press(name)
        wait_until_drawn(page)
    elif kind == "tree":
        page.get_by_role("region", name="Beam tree").get_by_role("radio", name=name, exact=True).check()
    elif kind == "panel":
        page.get_by_title(name, exact=True).and_(page.get_by_role("button")).click()
    elif kind == "radio":
        page.get_by_role("radio", name=name, exact=True).first.check()
    else:
        page.get_by_role("button", name=name, exact=True).click()


def settle(page: Page, look: Callable[[], bytes], drawn: Sequence[str] = DRAWN) -> bytes:
    """The picture of the page once everything is drawn and nothing changes any more.

    Raises:
        RuntimeError: something is not drawn, goes on changing, or is an error.
    """
    before = b""
    for _ in range(MOST_TRIES):
        wait_until_drawn(page, drawn)
        after = look()
        if after == before:
            refuse_error(page)
            return after
        before = after
        page.wait_for_timeout(BETWEEN_TRIES_MS)
    raise RuntimeError(f"The page was still changing after {MOST_TRIES * BETWEEN_TRIES_MS / 1000:.0f} s.")


def wait_until_drawn(page: Page, drawn: Sequence[str] = DRAWN) -> None:
    """Wait until every view is there and nothing is on its way to the server.

    Raises:
        RuntimeError: that takes too long; the message says what is missing.
    """
    from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

    try:
        page.wait_for_function(IS_SETTLED, arg=drawn, timeout=PATIENCE_MS)
    except PlaywrightTimeoutError as error:
        refuse_error(page)
        missing = [selector for selector in drawn if page.locator(selector).count() == 0]
        reason = f"it lacks {', '.join(missing)}" if missing else "the server has not answered"
        raise RuntimeError(f"The page was not drawn within {PATIENCE_MS / 1000:.0f} s: {reason}.") from error


def refuse_error(page: Page) -> None:
    """A page that shows an error is no picture of the workbench.

    Raises:
        RuntimeError: it does; the message is the page's.
    """
    errors = page.locator(".notice.shown.error").all_inner_texts()
    if errors:
        raise RuntimeError(f"The page shows an error: {errors[0].strip()}")


def find_chromium() -> str:
    """The browser that the tests drive too.

    Raises:
        RuntimeError: there is none; the message says how to bring it.
    """
    found = subprocess.run([FIND_CHROMIUM], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise RuntimeError(found.stderr.strip())
    return found.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures and name them."""
    options = _parse(arguments)
    try:
        with running_workbench(options.command, options.workspace) as address:
            paths = take_pictures(address, options.out, _shots(options))
    except RuntimeError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    for path in paths:
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.screenshots", description="Take pictures of the workbench."
    )
    parser.add_argument("--workspace", type=Path, default=ROOT, metavar="FOLDER", help="where the demo is or is built")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", metavar="FOLDER", help="where the pictures go")
    parser.add_argument("--command", choices=("demo", "serve"), default="demo", help="how the workbench is run")
    parser.add_argument("--model", default=MODEL, help="id of the model")
    parser.add_argument("--source", default=SOURCE, metavar="TEXT", help="source text")
    parser.add_argument(
        "--size", type=_read_size, action="append", metavar="WIDTHxHEIGHT", help="in pixels; repeatable"
    )
    parser.add_argument("--state", choices=STATES, action="append", help="state of the page; repeatable")
    parser.add_argument("--journey", choices=JOURNEYS, action="append", help="task of docs/tasks.md; repeatable")
    return parser.parse_args(arguments)


def _shots(options: argparse.Namespace) -> list[Shot]:
    opened = encode_fragment(PageState(Request(options.model, options.source)))
    states = options.state or ([] if options.journey else ["start"])
    sizes = options.size or [SIZE]
    of_states = [Shot(state, opened, STATES[state], False, size) for state in states for size in sizes]
    journeys = [(name, JOURNEYS[name]) for name in options.journey or []]
    return of_states + [Shot(name, at, (), name in BESIDE, size) for name, at in journeys for size in sizes]


def _read_size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(main())
