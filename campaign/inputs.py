"""Inputs that nobody would write: of the API, of the page, of links, of the command line and of project files."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from typing import Any

import schemathesis
from click.testing import CliRunner
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from beamscope.cli import command_line
from campaign.outcome import Outcome, Setting
from campaign.questions import QUESTION, STATE, places_in, replace, values
from dashboard.serving import create_application
from dashboard.state.url_state import decode_fragment, encode_fragment
from exported_models.contract.errors import BeamscopeError
from pipeline.build.project_file import load_project

LOOPBACK = "http://127.0.0.1"
PANE_CALLS = ("/_pane/answer", "/_pane/surroundings", "/_pane/word", "/_pane/completions", "/_pane/attention")
LONGEST_SENTENCE = 300
SERVER_ERROR = 500
BUSY = 503
_UNFORESEEN = "Something went wrong"
"""The page is told of an error that nobody foresaw in a notice, with status 200."""
_MODEL = "dates"
_SERVED = {"model_id": _MODEL, "source": "March 3, 1999", "space": "decoder"}
_SHARE_SERVED = 0.6


def fuzz_api(setting: Setting) -> Outcome:
    """Calls that the OpenAPI description allows, and calls that it does not, most of them about what is served."""
    application, outcome = create_application(setting.workspace), Outcome()
    schema = schemathesis.openapi.from_dict(application.openapi())
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    chance = random.Random(3)
    with _client_of(application) as client:
        for operation in operations:
            for mode in modes:

                def ask(case: Any) -> None:
                    _ask_case(client, case, chance, outcome)

                with contextlib.suppress(Unsatisfiable):  # nothing can be wrong about a call without parameters
                    strategy = operation.as_strategy(generation_mode=mode)
                    _run(ask, strategy, setting.cases // (len(operations) * len(modes)))
    return outcome


def fuzz_page(setting: Setting) -> Outcome:
    """Questions of the page with one field replaced, and fragments of links cut and changed."""
    outcome = Outcome()
    with _client_of(create_application(setting.workspace)) as client:

        def ask(drawn: tuple[str, tuple[str, ...], Any]) -> None:
            path, place, value = drawn
            body = replace(QUESTION, place, value)
            reply = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
            _note_reply(outcome, reply.status_code, reply.text, f"{path} {place} {value!r}")

        paths, places = st.sampled_from(PANE_CALLS), list(places_in(QUESTION))
        _run(ask, st.tuples(paths, st.sampled_from(places), values), setting.cases * 2 // 3)

    def open_link(text: str) -> None:
        _note_reading(outcome, "link", text, lambda: decode_fragment(text))

    _run(open_link, _damaged_links(), setting.cases // 3)
    return outcome


def fuzz_command_line(setting: Setting) -> Outcome:
    """Commands with options and values that do not belong together, and project files with one value replaced."""
    outcome, runner = Outcome(), CliRunner()
    project = setting.scratch / "project.toml"
    text = setting.project.read_text(encoding="utf-8")
    words = st.sampled_from(
        ["--json", "--beam", "--model", "--space", "--port", "-1", "1e400", "dates", "..", "--host", "~x"]
    )
    commands = st.tuples(
        st.sampled_from(["translate", "neighbors", "verify", "doctor", "compare"]),
        st.lists(words | st.text(max_size=12), max_size=5),
    )

    def call(command: str, arguments: list[str]) -> None:
        named = [*arguments, "--workspace", str(setting.workspace.root)]
        result = runner.invoke(command_line, [command, *named], prog_name="beamscope")
        _note_command(outcome, result.exit_code, result.stderr, f"{command} {arguments}")

    def build(line: int, value: str) -> None:
        lines = [*text.splitlines()]
        name = lines[line % len(lines)].partition("=")[0]
        lines[line % len(lines)] = f"{name}= {value}"
        project.write_text("\n".join(lines), encoding="utf-8", errors="replace")
        _note_reading(outcome, "project", f"{name}= {value}", lambda: load_project(project))

    _run(lambda drawn: call(*drawn), commands, setting.cases // 2)
    toml = values.map(json.dumps)
    _run(lambda drawn: build(*drawn), st.tuples(st.integers(0, 99), toml), setting.cases // 2)
    return outcome


def _client_of(application: FastAPI) -> TestClient:
    return TestClient(application, base_url=LOOPBACK, raise_server_exceptions=False)


def _ask_case(client: TestClient, case: Any, chance: random.Random, outcome: Outcome) -> None:
    if chance.random() < _SHARE_SERVED:
        _ask_what_is_served(case.body)
        _ask_what_is_served(case.query)
    arguments = case.as_transport_kwargs(base_url=LOOPBACK)
    arguments.pop("cookies", None)
    if isinstance(arguments.get("data"), (str, bytes)):
        arguments["content"] = arguments.pop("data")
    try:
        reply = client.request(**arguments)
    except (ValueError, TypeError):  # a header or an address that no client can send
        outcome.note("not sent")
        return
    _note_reply(outcome, reply.status_code, reply.text, f"{case.method} {case.path} {case.body!r}")


def _ask_what_is_served(asked: Any) -> None:
    """Name a model, a text and a space that there are, so that the rest of a call is looked at."""
    if isinstance(asked, dict):
        asked |= {name: value for name, value in _SERVED.items() if name in asked}
        _ask_what_is_served(asked.get("request"))


def _note_reply(outcome: Outcome, status: int, text: str, asked: str) -> None:
    broken = (status >= SERVER_ERROR and status != BUSY) or _UNFORESEEN in text
    outcome.note(str(status), f"{status} for {asked[:300]}: {text[:200]}" if broken else "")


def _note_command(outcome: Outcome, code: int, stderr: str, asked: str) -> None:
    if "defect of Beamscope" in stderr or "Traceback" in stderr:
        outcome.note("defect", f"{asked[:300]}: {stderr[:300]}")
    elif code and len(stderr.strip()) > LONGEST_SENTENCE + len("beamscope: "):
        outcome.note("long", f"{asked[:300]}: {len(stderr)} characters")
    else:
        outcome.note(f"exit {code}")


def _note_reading(outcome: Outcome, kind: str, text: str, read: Callable[[], object]) -> None:
    try:
        read()
        outcome.note(f"{kind} read")
    except BeamscopeError:
        outcome.note(f"{kind} refused")
    except Exception as error:
        outcome.note(f"{kind} failed", f"{text[:300]!r}: {error!r}")


def _damaged_links() -> st.SearchStrategy[str]:
    whole = encode_fragment(STATE)
    cut = st.integers(0, len(whole)).map(lambda end: whole[:end])
    changed = st.tuples(st.integers(0, len(whole) - 1), st.characters()).map(
        lambda drawn: whole[: drawn[0]] + drawn[1] + whole[drawn[0] + 1 :]
    )
    return cut | changed | st.text(max_size=60)


def _run(act: Callable[[Any], None], strategy: st.SearchStrategy[Any], cases: int) -> None:
    """Act on ``cases`` examples, always the same ones."""

    @settings(
        max_examples=max(cases, 1),
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(drawn: Any) -> None:
        act(drawn)

    run()
