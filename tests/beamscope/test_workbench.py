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
from pathlib import Path

import pytest

from beamscope.listening import listen
from exported_models.workspace import Workspace
from tests.beamscope.shell import Program, one_sentence

PROJECT = """
[model]
id = "dates"
checkpoint = {checkpoint}
[corpus]
train = "train.tsv"
"""
ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "examples" / "dates" / "checkpoint"


@contextmanager
def started(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server process and its address, read from what it prints; killed if the test did not end it."""
    command = [sys.executable, "-m", "beamscope", *arguments]
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        try:
            address = next(
                (match[1] for line in process.stdout if (match := re.search(r"Beamscope is at (\S+)", line))), ""
            )
            yield process, address
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
    with started(*arguments, cwd=tmp_path) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        assert "Beamscope" in get(address)
        assert get(f"{address}healthz")
        with pytest.raises(urllib.error.HTTPError, match="421"):
            get(urllib.request.Request(address, headers={"Host": "rebound.example"}))
        process.send_signal(ending)
        _, stderr = process.communicate(timeout=20)

    assert (process.returncode, stderr) == (0, "")


def test_a_busy_port_is_one_sentence_with_the_remedy(program: Program) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        outcome = program("serve", "--port", port)

    assert outcome.returncode == 1
    assert f"Port {port} of 127.0.0.1 is in use" in one_sentence(outcome.stderr)
    assert "--port" in outcome.stderr


def test_every_interface_is_served_with_a_warning(tmp_path: Path) -> None:
    with started("serve", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path) as (process, address):
        assert address.startswith("http://0.0.0.0:")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)

    assert process.returncode == 0
    assert "no log-in" in one_sentence(stderr)


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
    with started("demo", "--port", "0", cwd=small_checkout) as (first, address):
        assert get(f"{address}healthz")
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
    assert first.returncode == 0

    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        arguments = ["demo", "--port", str(port)]
        with started(*arguments, cwd=small_checkout, environment={"PYTHONPROFILEIMPORTTIME": "1"}) as (again, address):
            assert get(f"{address}healthz")
            assert f":{port}/" not in address
            again.send_signal(signal.SIGINT)
            _, imports = again.communicate(timeout=60)
    assert again.returncode == 0
    assert not re.search(r"\| +(torch|prefect|umap)$", imports, re.MULTILINE)


def test_the_demo_of_an_installation_without_examples_says_where_they_are(program: Program, tmp_path: Path) -> None:
    house = tmp_path / "house"
    for package in ("beamscope", "exported_models"):
        shutil.copytree(ROOT / package, house / package, ignore=shutil.ignore_patterns(".*", "__pycache__"))

    outcome = program("demo", environment={"PYTHONPATH": str(house)})

    assert outcome.returncode == 1
    assert "in a checkout" in one_sentence(outcome.stderr)
