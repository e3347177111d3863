"""`beamscope build`, `export` and `schedule`: what they refuse, and what they print."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beamscope.build_text import describe_build, describe_export
from pipeline.build.summary import BuildSummary, SpaceSummary, StepSummary
from pipeline.export.summary import ExportSummary
from tests.beamscope.shell import Beamscope, Program, one_sentence

CHECKPOINT = Path(__file__).resolve().parents[2] / "examples" / "dates" / "checkpoint"
HIDE_BUILD_PACKAGES = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("onnx", "onnxscript", "prefect", "torch", "umap"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
PARITY: dict[str, Any] = {
    "log_prob": 1e-6,
    "attention": None,
    "state": 2e-6,
    "sentences": 200,
    "beam_sentences": 200,
    "beam_sentences_equal": 200,
    "outputs": {"encoder states": {"rounding": 3e-7, "allowed": 5e-6, "difference": 2e-6}},
}


def build_summary(*, changed: bool) -> BuildSummary:
    return BuildSummary(
        project="project.toml",
        model_id="dates",
        model_hash="a" * 64,
        store_id="days",
        store_hash="b" * 64,
        store_folder="/w/state_store/days",
        changed=changed,
        pairs=30_000,
        pairs_left_out=2,
        targets_by_model=False,
        spaces=(SpaceSummary("encoder", 500_000, "tree", 0.9951, ("umap",)),),
        parity=PARITY,
        bytes=12_000_000,
        seconds=81.5,
        steps=(StepSummary("export", 9.1, cached=False), StepSummary("encode", 0.0, cached=True)),
    )


def test_a_build_is_summed_up() -> None:
    text = describe_build(build_summary(changed=True))

    for part in ("dates", "days", "30,000 sentence pairs", "2 left out", "12.0 MB", "0.9951", "200 of 200", "9.1 s"):
        assert part in text
    assert "attention" not in text


def test_a_twin_is_summed_up_below_with_what_it_lost() -> None:
    compared = {
        "sentences": 200,
        "made_up": False,
        "tokens": 2_000,
        "agreement": 0.995,
        "same_best": 0.9,
        "scores": None,
    }
    twin = replace(
        build_summary(changed=True),
        model_id="dates-int8",
        parity={},
        quantization={"kind": "int8", "comparison": compared},
    )

    text = describe_build(replace(build_summary(changed=False), twin=twin))

    first, *rest = text.splitlines()
    assert first.startswith("Nothing changed: model dates ")
    assert "model dates-int8" in rest[1]
    assert "99.50% of 2,000 tokens" in "".join(rest)
    assert "parity" not in "".join(rest)


def test_a_build_that_changed_nothing_says_so_in_one_line() -> None:
    text = describe_build(build_summary(changed=False))

    assert text.startswith("Nothing changed")
    assert "\n" not in text


def test_an_export_is_summed_up() -> None:
    summary = ExportSummary("dates", "a" * 64, "/w", changed=True, parity=PARITY, bytes=2_000_000, seconds=3.0)

    assert "2.0 MB" in describe_export(summary)
    assert "200 of 200" in describe_export(summary)
    (figures,) = (line for line in describe_export(summary).splitlines() if "encoder states" in line)
    assert [word for word in figures.split() if "e-0" in word] == ["2.0e-06", "5.0e-06", "3.0e-07"]


def test_a_report_of_an_older_model_has_no_figures_by_output() -> None:
    older = {name: value for name, value in PARITY.items() if name != "outputs"}
    summary = ExportSummary("dates", "a" * 64, "/w", changed=True, parity=older, bytes=2_000_000, seconds=3.0)

    assert describe_export(summary).count("\n") == 1


def write_project(folder: Path, text: str) -> Path:
    path = folder / "project.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("command", ["build", "schedule"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[model]\nid = "a"\ncheckpoint = "c"\nadaptor = "luong"\n[corpus]\ntrain = "t"\n', "did you mean 'adapter'?"),
        ('[model]\nid = "a/b"\ncheckpoint = "c"\n[corpus]\ntrain = "t"\n', "cannot name a model"),
        ("[model\n", "not valid TOML"),
    ],
)
def test_a_typo_in_the_project_is_one_sentence(
    beamscope: Beamscope, tmp_path: Path, command: str, text: str, expected: str
) -> None:
    workspace = tmp_path / "workspace"
    outcome = beamscope(command, str(write_project(tmp_path, text)), "--workspace", str(workspace))

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert expected in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert not workspace.exists()


@pytest.mark.parametrize(
    ("options", "expected"), [(["--cron", "at night"], "'at night' is not a cron line"), ([], "No schedule is given")]
)
def test_a_schedule_without_times_is_one_sentence(
    beamscope: Beamscope, tmp_path: Path, options: list[str], expected: str
) -> None:
    project = write_project(tmp_path, '[model]\nid = "a"\ncheckpoint = "c"\n[corpus]\ntrain = "t"\n')

    outcome = beamscope("schedule", str(project), *options, "--workspace", str(tmp_path))

    assert outcome.exit_code == 1
    assert one_sentence(outcome.stderr).startswith(expected)


@pytest.mark.parametrize("command", ["build", "schedule"])
def test_a_project_that_is_not_there_is_named(beamscope: Beamscope, tmp_path: Path, command: str) -> None:
    outcome = beamscope(command, str(tmp_path / "none.toml"), "--workspace", str(tmp_path))

    assert outcome.exit_code == 1
    assert str(tmp_path / "none.toml") in one_sentence(outcome.stderr)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["no-such-folder", "--id", "dates"], "no checkpoint at no-such-folder"),
        ([str(CHECKPOINT), "--id", "../dates"], "cannot name a model"),
        ([str(CHECKPOINT), "--id", "dates", "--adapter", "luog"], "did you mean 'luong'?"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    beamscope: Beamscope, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    outcome = beamscope("export", *arguments, "--workspace", str(tmp_path))

    assert outcome.exit_code == 1
    assert expected in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert not (tmp_path / "exported_models" / "dates").exists()


@pytest.mark.slow
def test_an_exported_checkpoint_translates_at_once(beamscope: Beamscope, tmp_path: Path) -> None:
    workspace = ["--workspace", str(tmp_path)]

    exported = beamscope("export", str(CHECKPOINT), "--id", "days", "--json", *workspace)
    again = beamscope("export", str(CHECKPOINT), "--id", "days", "--json", *workspace)
    translated = beamscope("translate", "days", "March 3, 1999", "--json", *workspace)

    assert json.loads(exported.stdout)["changed"]
    assert not json.loads(again.stdout)["changed"]
    assert json.loads(translated.stdout)["text"] == "1999-03-03"


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "project.toml", "--no-prefect"],
        ["build", "project.toml"],
        ["export", str(CHECKPOINT), "--id", "dates"],
        ["schedule", "project.toml", "--cron", "0 3 * * *"],
    ],
)
def test_a_base_install_names_the_extra(program: Program, tmp_path: Path, arguments: list[str]) -> None:
    write_project(tmp_path, f'[model]\nid = "a"\ncheckpoint = "{CHECKPOINT}"\n[corpus]\ntrain = "train.tsv"\n')
    (tmp_path / "train.tsv").write_text("a\tb\n" * 10, encoding="utf-8")

    outcome = program(*arguments, environment={"PYTHONPATH": str(hide_build_packages(tmp_path))})

    assert outcome.returncode == 1
    assert "pip install -e '.[build]'" in one_sentence(outcome.stderr)


def hide_build_packages(folder: Path) -> Path:
    """A folder that, on the path, makes what the build extra brings look as if it were not installed."""
    (folder / "sitecustomize.py").write_text(HIDE_BUILD_PACKAGES, encoding="utf-8")
    return folder
