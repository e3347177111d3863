"""Input that nobody means well: one sentence of at most 300 characters, of which at most 80 repeat the input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.artefacts import write_dates_project
from tests.beamscope.shell import Beamscope, one_sentence

LONG = "x" * 5_000
NINES = "9" * 5_000


def write_hostile_files(folder: Path) -> None:
    """A file or link for every hostile argument below that names one."""
    texts = {
        "nested.toml": f"a = {'[' * 3_000}{']' * 3_000}",
        "digits.toml": f"a = {NINES}",
        "surrogate.toml": '[model]\nid = "\\ud800"',
        "key.toml": f"{LONG} = 1",
        "sessions.json": '{"format": "beamscope-session", "version": 7}',
        "seed.toml": write_dates_project(folder, "[store.umap]\nseed = " + "9" * 20).read_text(encoding="utf-8"),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("loop.toml", "loop", "loops/exported_models/dates", "loops/state_store/dates"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(Path(name).name)
    for name, config in (("nested", "[" * 30_000), ("digits", f'{{"model_type": {NINES}}}')):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(config, encoding="utf-8")
    (folder / "broken").mkdir()
    (folder / "broken" / "exported_models").mkdir()
    for name, manifest in (("deep", "[" * 30_000 + "]" * 30_000), ("huge", f'{{"format": {NINES}}}')):
        (folder / "broken" / "exported_models" / name).mkdir()
        (folder / "broken" / "exported_models" / name / "manifest.json").write_text(manifest, encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_hostile_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build", "nested.toml", "--no-prefect"], "nested too deep"),
        (["build", "digits.toml", "--no-prefect"], "too many digits"),
        (["build", "surrogate.toml", "--no-prefect"], "not valid TOML"),
        (["build", "key.toml", "--no-prefect"], "there is no key 'xxx"),
        (["build", "seed.toml", "--no-prefect"], "store.umap.seed is not valid: input should be less than 4294967296"),
        (["build", "loop.toml", "--no-prefect"], "loop.toml is a link that leads back to itself"),
        (["build", LONG, "--no-prefect"], "cannot be read"),
        (["export", "nested", "--id", "a"], "No adapter recognizes the checkpoint nested"),
        (["export", "nested", "--id", "a", "--adapter", "huggingface"], "nested too deep"),
        (["export", "digits", "--id", "a", "--adapter", "huggingface"], "too many digits"),
        (["export", "loop", "--id", "a"], "There is no checkpoint at loop"),
        (["export", LONG, "--id", "a"], "xxx"),
        (["export", "nested", "--id", LONG], "cannot name a model or store"),
        (["export", "nested", "--id", "a", "--adapter", LONG], "There is no adapter"),
        (["verify", "--workspace", "loop"], "a link that leads nowhere"),
        (["doctor", "--workspace", "loop"], "a link that leads nowhere"),
        (["verify", "--workspace", "~nobody-of-that-name/x"], "cannot be read"),
        (["verify", "--workspace", LONG], "cannot be read"),
        (["verify", "--workspace", "loops"], "exported model dates, state store dates"),
        (["verify", "--workspace", "broken"], "exported model deep, exported model huge"),
        (["translate", "dates", "x", "--workspace", "loops"], "no exported model named 'dates'"),
        (["translate", "dates", "x", "--workspace", "loop/inner"], "no exported model named 'dates'"),
        (["translate", "deep", "x", "--workspace", "broken"], "is not JSON (it is nested too deep)"),
        (["translate", "huge", "x", "--workspace", "broken"], "too many digits"),
        (["translate", LONG, "x", "--workspace", "loops"], "cannot name a model or store"),
        (["translate", "dates", "x", "--beam", NINES], "--beam"),
        (["translate", "dates", "x", "--early-stopping", LONG], "--early-stopping"),
        (["open", "nested.toml"], "The session file is damaged or was cut off"),
        (["open", "loop"], "The session file loop cannot be read"),
        (["open", LONG], "cannot be read"),
        (["open", "sessions.json"], "is of version 7, and this Beamscope reads up to version 1"),
        (["serve", "--host", "a..b"], "'a..b' is not the name of a host"),
        (["serve", "--host", LONG], "is not the name of a host"),
        ([LONG], "No such command"),
    ],
)
def test_it_is_one_short_sentence(beamscope: Beamscope, arguments: list[str], words: str) -> None:
    outcome = beamscope(*arguments)

    sentence = one_sentence(outcome.stderr)
    assert outcome.exit_code in {1, 2}
    assert words in sentence
    assert "defect" not in sentence
    assert not re.search(r"(.)\1{80}", sentence)
    assert len(sentence) <= 300 or "These can be read" in sentence


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("workspace", ["loops", "broken"])
def test_doctor_goes_on_to_its_summary(beamscope: Beamscope, workspace: str) -> None:
    outcome = beamscope("doctor", "--json", "--workspace", workspace)

    broken = [found for found in json.loads(outcome.stdout)["findings"] if found["level"] == "broken"]
    assert outcome.stderr == ""
    assert sum("artefact again" in found["message"] or "cannot be read" in found["message"] for found in broken) == 2
