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
from dataclasses import dataclass
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
  const open = async (fragment) => {
    if (window.location.hash !== '#' + fragment) {
      window.location.hash = '#' + fragment;
      await changed(document.querySelector('.target-words'));
    }
    await quiet();
  };
  const click = async ([step, rank]) => {
    const column = document.querySelectorAll('.top-k .top-column')[step];
    const words = changed(document.querySelector('.target-words'));
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
    for (const word of document.querySelectorAll('.target-words button, .source-words button')) {
      let started = await nextFrame().then(() => performance.now());
      word.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
      const frames = [await afterPaint() - started];
      for (let frame = 1; frame < 4; frame += 1) {
        started = await nextFrame().then(() => performance.now());
        frames.push(await afterPaint() - started);
      }
      times.push(Math.max(...frames));
    }
    document.querySelector('.target-words button').dispatchEvent(new MouseEvent('mouseout', { bubbles: true }));
    return times;
  };
  const alternatives = () => [...document.querySelectorAll('.top-k .top-column')].slice(0, -1)
    .flatMap((column, step) => [...column.children].map((cell, rank) => [cell, [step, rank]]))
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
class PageTimes:
    """Milliseconds of each round.

    Attributes:
        empty: an empty Dash round trip: a store, a callback that does nothing, another store.
        fetch: an empty call without Dash, as a pane makes it.
        shown: from a click on a word of the top k to the second frame with the new words and the new tree.
        around: from that click to the map and the neighbors.
        hover: work of the busiest of the four frames in which a word is lit in every view.
        loaded: from the opening of a link in a new tab to the words; the scripts are in the browser's cache.
        loaded_around: from there to the map and the neighbors too.
    """

    empty: list[float]
    fetch: list[float]
    shown: list[float]
    around: list[float]
    hover: list[float]
    loaded: list[float]
    loaded_around: list[float]


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
        "400 ms later, a frame while hovering 16 ms.",
    )


def time_page(address: str, request: Request, rounds: int) -> PageTimes:
    """Click through the top k of a request, one click and one empty round trip in turns."""
    from playwright.sync_api import sync_playwright

    fragment = encode_fragment(PageState(request))
    with empty_page() as empty_address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        try:
            empty = _open(browser.new_page(), empty_address, "#answer")
            context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
            page = _open(context.new_page(), f"{address}#{fragment}", ".map-frame .point")
            page.evaluate(PROBES)
            # The page names the build of the model in its own address.
            fragment = page.evaluate("() => window.location.hash.slice(1)")
            times = _run_rounds(page, empty, fragment, rounds)
            page.close()
            _time_loads(context, f"{address}#{fragment}", times)
            return times
        finally:
            browser.close()


def _run_rounds(page: Page, empty: Page, fragment: str, rounds: int) -> PageTimes:
    page.evaluate("() => window.probe.quiet()")
    times = PageTimes([], [], [], [], [], [], [])
    cells = _cells(page)
    for number in range(rounds + 1):
        trip, fetch = empty.evaluate(EMPTY_TRIP), empty.evaluate(EMPTY_FETCH)
        page.evaluate("(fragment) => window.probe.open(fragment)", fragment)
        clicked = page.evaluate("(cell) => window.probe.click(cell)", next(cells))
        # The first round makes what is made on first use.
        if number:
            times.empty.append(trip)
            times.fetch.append(fetch)
            times.shown.append(clicked["shown"])
            times.around.append(clicked["around"] - clicked["shown"])
    # Over all words several times: a pass has too few for a percentile.
    for _ in range(HOVERS):
        times.hover.extend(page.evaluate("() => window.probe.hover()"))
    return times


def _time_loads(context: BrowserContext, address: str, times: PageTimes) -> None:
    for _ in range(LOADS):
        page = context.new_page()
        page.goto(address, wait_until="commit")
        words = page.wait_for_function(LOADED["words"], timeout=PATIENCE_MS).json_value()
        around = page.wait_for_function(LOADED["around"], timeout=PATIENCE_MS).json_value()
        page.close()
        times.loaded.append(words)
        times.loaded_around.append(around - words)


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
    return [
        ("empty Dash round trip", times.empty),
        ("empty call of a pane", times.fetch),
        ("click to words and tree", times.shown),
        ("neighborhood after that", times.around),
        ("frame while hovering", times.hover),
        ("link opened to words", times.loaded),
        ("neighborhood after that", times.loaded_around),
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
    with running_workbench("serve", options.workspace) as address:
        return measure(address, models, options.rounds)


if __name__ == "__main__":
    sys.exit(main())
