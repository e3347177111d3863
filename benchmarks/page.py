"""Time from a click to the frame that shows its answer, in Chromium, beside an empty Dash round trip.

python -m benchmarks page                                 the dates model
python -m benchmarks.page --workspace FOLDER              every model of a built workspace
python -m benchmarks.page --address URL --model dates     a workbench that runs already
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dash
import numpy as np
from dash import Input, Output, dcc, html
from werkzeug.serving import make_server

from benchmarks.measure import describe_machine
from benchmarks.report import Figure, Report
from dashboard.state.page_state import PageState
from dashboard.state.url_state import encode_fragment
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from scripts.running_workbench import running_workbench
from scripts.screenshots import CHROMIUM_ARGUMENTS, find_chromium

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from benchmarks.dates import Dates

SOURCES = {"dates": "03/04/05", "multi30k": "Ein brauner Hund rennt auf einer Wiese einem Ball hinterher ."}
"""A source text for each model, one at which the model hesitates."""
ROUNDS = 20
HOVERS = 4
LOADS = 6
SIZE = {"width": 1440, "height": 900}
PATIENCE_MS = 60_000

# Everything is measured in the browser. `quiet` waits until no view has changed for a third of a second.
PROBES = """
window.probe = (() => {
  const cyIn = (holder) => [...holder.querySelectorAll('div')].find((one) => one._cyreg)._cyreg.cy;
  const changed = (element) => new Promise((resolve) => {
    new MutationObserver((_, observer) => { observer.disconnect(); resolve(performance.now()); })
      .observe(element, { childList: true, subtree: true, characterData: true });
  });
  const nextFrame = () => new Promise(requestAnimationFrame);
  const twoFrames = async () => { await nextFrame(); await nextFrame(); };
  const graphChanged = (cy) => new Promise((resolve) => cy.one('add remove data', () => resolve(performance.now())));
  const plotted = (figure) => new Promise((resolve) => {
    figure.once('plotly_afterplot', () => resolve(performance.now()));
  });
  const quiet = () => new Promise((resolve) => {
    let last = performance.now();
    const observer = new MutationObserver(() => { last = performance.now(); });
    observer.observe(document.body, { childList: true, subtree: true, characterData: true });
    const timer = setInterval(() => {
      if (performance.now() - last > 350) { clearInterval(timer); observer.disconnect(); resolve(); }
    }, 50);
  });
  // Of translation and comparison one is on view; both have a row of target words and one of choices.
  const row = (name) => {
    const [card, end] = document.querySelector('[data-pane]').dataset.compares === 'yes'
      ? ['comparison', { words: 'after', choices: 'choices-after' }]
      : ['translation', { words: 'target-words', choices: 'top-k' }];
    return document.querySelector(`[data-role="${card}-${end[name]}"]`);
  };
  const open = async (fragment) => {
    if (window.location.hash !== '#' + fragment) {
      window.location.hash = '#' + fragment;
      await changed(row('words'));
    }
    await quiet();
  };
  const click = async ([step, rank]) => {
    const column = row('choices').querySelector(`.top-column[data-index="${step}"]`);
    const words = changed(row('words'));
    const tree = graphChanged(cyIn(document.querySelector('.tree-drawing')));
    // A change may leave either as it was: what has come when all is quiet counts.
    const came = [];
    plotted(document.querySelector('.map-frame .js-plotly-plot')).then((at) => came.push(at));
    changed(document.querySelector('.pairs')).then((at) => came.push(at));
    const started = performance.now();
    column.children[rank].click();
    await Promise.all([words, tree]);
    await twoFrames();
    const shown = performance.now() - started;
    while (!came.length) { await quiet(); }
    await quiet();
    return { shown, around: Math.max(...came) - started };
  };
  const afterPaint = () => new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => resolve(performance.now());
    channel.port2.postMessage(null);
  });
  const hover = async () => {
    const times = [];
    const words = [...document.querySelectorAll('.target-words button, .source-words button')];
    for (const word of words.filter((one) => one.offsetParent)) {
      let started = await nextFrame().then(() => performance.now());
      word.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
      const frames = [await afterPaint() - started];
      for (let frame = 1; frame < 4; frame += 1) {
        started = await nextFrame().then(() => performance.now());
        frames.push(await afterPaint() - started);
      }
      times.push(Math.max(...frames));
    }
    row('words').querySelector('button').dispatchEvent(new MouseEvent('mouseout', { bubbles: true }));
    return times;
  };
  const alternatives = () => [...row('choices').querySelectorAll('.top-column')].slice(0, -1)
    .flatMap((column) => [...column.children].map((cell, rank) => [cell, [Number(column.dataset.index), rank]]))
    .filter(([cell]) => !cell.classList.contains('chosen')).map(([, place]) => place)
    .sort(([step, rank], [other, below]) => rank - below || step - other);
  return { open, click, hover, quiet, alternatives };
})();
"""
EMPTY_TRIP = """() => new Promise((resolve) => {
  const started = performance.now();
  window.answered = () => resolve(performance.now() - started);
  window.dash_clientside.set_props('asked', { data: started });
})"""
EMPTY_FETCH = """async () => {
  const started = performance.now();
  await (await fetch('nothing', { method: 'POST', body: '{}' })).text();
  return performance.now() - started;
}"""
LOADED = {
    "words": "() => document.querySelector('.target-words button') && performance.now()",
    "around": "() => document.querySelector('.pairs button') && document.querySelector('.map-frame .point')"
    " && performance.now()",
}
ANSWERED = "function (value) { if (window.answered) { window.answered(); } return window.dash_clientside.no_update; }"


@dataclass(frozen=True, slots=True)
class ClickTimes:
    """Milliseconds of each round of clicks, of an answer alone or beside a pinned one.

    Attributes:
        empty: an empty Dash round trip: a store, a callback that does nothing, another store.
        fetch: an empty call without Dash, as a pane makes it.
        shown: from a click on a word of the top k to the second frame with the new words and the new tree.
        around: from there to the map and the neighbors.
        hover: work of the busiest of the four frames in which a word is lit in every view.
    """

    empty: list[float] = field(default_factory=list)
    fetch: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    around: list[float] = field(default_factory=list)
    hover: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LoadTimes:
    """Milliseconds of each opening of a link in a new tab of a browser that has the scripts in its cache.

    Attributes:
        shown: from the opening to the words.
        around: from there to the map and the neighbors.
    """

    shown: list[float] = field(default_factory=list)
    around: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PageTimes:
    """Times of an answer alone, of one beside a pinned answer, and of links that are opened."""

    alone: ClickTimes
    compared: ClickTimes
    loads: LoadTimes


def run(dates: Dates) -> Report:
    """Measure the page over the dates project."""
    models = [dates.store.manifest.model_id]
    with running_workbench("serve", dates.workspace.root) as address:
        return measure(address, models, ROUNDS)


def measure(address: str, models: Sequence[str], rounds: int) -> Report:
    """Measure the pages of models at the address of a workbench."""
    rows: list[dict[str, Figure]] = []
    for model in models:
        times = time_page(address, Request(model, SOURCES.get(model, SOURCES["dates"])), rounds)
        rows += [_summarize(model, name, values) for name, values in _named(times)]
    return Report(
        "The page, from a click to the frame that shows it",
        rows,
        f"{rounds} rounds, each a request that was not asked before; Chromium, 1440x900. Bounds for p95 on a quiet "
        "machine: words and tree at most the empty trip + 120 ms (dates) and + 250 ms (multi30k), the neighborhood "
        "400 ms later, a frame while hovering 16 ms; with compare open 100 ms more.",
    )


def time_page(address: str, request: Request, rounds: int) -> PageTimes:
    """Click through the top k of a request, one click and one empty round trip in turns."""
    from playwright.sync_api import sync_playwright

    state = PageState(request)
    compared = state.pin(PageState(request, hypothesis=1))
    with empty_page() as empty_address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        try:
            empty = _open(browser.new_page(), empty_address, "#answer")
            context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
            alone, beside = (_time_clicks(context, empty, address, each, rounds) for each in (state, compared))
            return PageTimes(alone, beside, _time_loads(context, f"{address}#{encode_fragment(state)}"))
        finally:
            browser.close()


def _time_clicks(context: BrowserContext, empty: Page, address: str, state: PageState, rounds: int) -> ClickTimes:
    page = _open(context.new_page(), f"{address}#{encode_fragment(state)}", ".map-frame .point")
    page.evaluate(PROBES)
    page.evaluate("() => window.probe.quiet()")
    # The page names the build of the model in its own address.
    fragment = page.evaluate("() => window.location.hash.slice(1)")
    times = ClickTimes()
    # Beside a pinned answer three words of a step are listed, which may be fewer than there are rounds.
    for number, cell in zip(range(rounds + 1), _cells(page), strict=False):
        trip, fetch = empty.evaluate(EMPTY_TRIP), empty.evaluate(EMPTY_FETCH)
        page.evaluate("(fragment) => window.probe.open(fragment)", fragment)
        clicked = page.evaluate("(cell) => window.probe.click(cell)", cell)
        # The first round makes what is made on first use.
        if number:
            times.empty.append(trip)
            times.fetch.append(fetch)
            times.shown.append(clicked["shown"])
            times.around.append(clicked["around"] - clicked["shown"])
    # Over all words several times: a pass has too few for a percentile.
    for _ in range(HOVERS):
        times.hover.extend(page.evaluate("() => window.probe.hover()"))
    page.close()
    return times


def _time_loads(context: BrowserContext, address: str) -> LoadTimes:
    times = LoadTimes()
    for _ in range(LOADS):
        page = context.new_page()
        page.goto(address, wait_until="commit")
        words = page.wait_for_function(LOADED["words"], timeout=PATIENCE_MS).json_value()
        around = page.wait_for_function(LOADED["around"], timeout=PATIENCE_MS).json_value()
        page.close()
        times.shown.append(words)
        times.around.append(around - words)
    return times


def _cells(page: Page) -> Iterator[list[int]]:
    """Step and rank of each word of the top k that is not in the translation, most probable first."""
    return iter(page.evaluate("() => window.probe.alternatives()"))


def _open(page: Page, address: str, selector: str) -> Page:
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.wait_for_selector(selector, state="attached")
    return page


@contextmanager
def empty_page() -> Iterator[str]:
    """A Dash page with one callback that does nothing; the value is its address."""
    app = dash.Dash("empty")
    app.layout = html.Div([dcc.Store(id="asked"), dcc.Store(id="answered"), html.Div(id="answer")])
    app.callback(Output("answered", "data"), Input("asked", "data"), prevent_initial_call=True)(lambda value: value)
    app.clientside_callback(ANSWERED, Output("answer", "title"), Input("answered", "data"))  # type: ignore[no-untyped-call]
    # Its server says every call.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.server.post("/nothing")(lambda: "{}")
    server = make_server("127.0.0.1", 0, app.server, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def _named(times: PageTimes) -> list[tuple[str, list[float]]]:
    alone, compared = times.alone, times.compared
    return [
        ("empty Dash round trip", alone.empty),
        ("empty call of a pane", alone.fetch),
        ("click to words and tree", alone.shown),
        ("neighborhood after that", alone.around),
        ("frame while hovering", alone.hover),
        ("compare: click to words and tree", compared.shown),
        ("compare: neighborhood after that", compared.around),
        ("compare: frame while hovering", compared.hover),
        ("link opened to words", times.loads.shown),
        ("link: neighborhood after that", times.loads.around),
    ]


def _summarize(model: str, name: str, values: Sequence[float]) -> dict[str, Figure]:
    low, middle, high = np.percentile(values, (10, 50, 95))
    return {"model": model, "what": name, "p10 ms": round(low, 1), "p50 ms": round(middle, 1), "p95 ms": round(high, 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for and print the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description="Measure how soon the page answers.")
    parser.add_argument(
        "--workspace", type=Path, metavar="FOLDER", help="a built workspace; default: the dates project"
    )
    parser.add_argument("--address", metavar="URL", help="a workbench that runs already")
    parser.add_argument("--model", action="append", metavar="ID", help="default: every model of the workspace")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    options = parser.parse_args(arguments)
    print(f"{_measure_asked(options).to_text()}\n[{describe_machine()}]")
    return 0


def _measure_asked(options: Any) -> Report:
    if options.address:
        return measure(options.address, options.model or ["dates"], options.rounds)
    if options.workspace is None:
        from benchmarks.__main__ import WORKSPACE
        from benchmarks.dates import Dates

        return run(Dates(WORKSPACE))
    models = options.model or Workspace(options.workspace).model_ids()
    if not models:
        raise SystemExit(f"{options.workspace} has no model; build one, or leave --workspace out.")
    with running_workbench("serve", options.workspace) as address:
        return measure(address, models, options.rounds)


if __name__ == "__main__":
    sys.exit(main())
