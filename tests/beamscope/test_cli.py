"""Properties of all commands: help with examples, one sentence when something is wrong, exit codes."""

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from beamscope.cli import command_line
from beamscope.errors import MissingExtraError
from beamscope.failures import Failure, explain_failures, require_build_extra
from exported_models.contract.workspace import Workspace
from tests.beamscope.shell import Beamscope, Program, one_sentence

COMMANDS = (
    "demo",
    "build",
    "export",
    "translate",
    "compare",
    "what-ifs",
    "find-attention",
    "sweep",
    "neighbors",
    "verify",
    "serve",
    "open",
    "report",
    "schedule",
    "doctor",
)
HEAVY = ("dash", "numpy", "onnxruntime", "plotly", "prefect", "pydantic", "sklearn", "torch")


def examples_of(command: click.Command) -> Iterator[list[str]]:
    """The example lines of a command's help, as arguments."""
    _, _, examples = (command.help or "").partition("Examples:")
    for line in examples.replace("\\\n", " ").strip().splitlines():
        yield shlex.split(line.strip(), comments=True)


def test_the_commands_are_listed_in_order_of_use(beamscope: Beamscope) -> None:
    outcome = beamscope("--help")

    assert outcome.exit_code == 0
    assert tuple(re.findall(r"^  ([a-z-]+)  ", outcome.stdout.partition("Commands:")[2], re.MULTILINE)) == COMMANDS


def test_without_a_command_it_says_what_it_can_do(beamscope: Beamscope) -> None:
    assert beamscope().stdout == beamscope("--help").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_are_understood(beamscope: Beamscope, name: str) -> None:
    command = command_line.commands[name]
    examples = list(examples_of(command))

    assert beamscope(name, "--help").exit_code == 0
    assert examples
    for program, called, *arguments in examples:
        assert (program, called) == ("beamscope", name)
        until_shell = arguments[: arguments.index(">")] if ">" in arguments else arguments
        known = [argument for argument in until_shell if argument.startswith("--")]
        assert set(known) <= {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("name", ["translate", "compare", "neighbors", "verify", "doctor"])
def test_the_examples_that_only_read_do_work(
    beamscope: Beamscope, dates_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("BEAMSCOPE_WORKSPACE", str(dates_workspace.root))
    monkeypatch.chdir(tmp_path)  # one of them writes a table
    examples = [arguments for _, *arguments in examples_of(command_line.commands[name])]
    here = [arguments for arguments in examples if not {"--workspace", "--file"} & set(arguments)]

    assert here
    for arguments in here:
        outcome = beamscope(*arguments)
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        assert outcome.stdout


def test_help_imports_nothing_heavy(program: Program) -> None:
    outcome = program("--help")
    assert outcome.returncode == 0

    code = f"import sys; from beamscope.cli import command_line; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["transalte"],
        ["translate"],
        ["translate", "dates"],
        ["translate", "dates", "x", "--file", "-"],
        ["translate", "dates", "x", "--bean", "5"],
        ["translate", "dates", "x", "--beam", "0"],
        ["translate", "dates", "x", "--beam", "many"],
        ["translate", "dates", "x", "--attend", "3"],
        ["translate", "dates", "x", "--ablate", "cross:0"],
        ["translate", "dates", "x", "--attend", "3:1=much"],
        ["translate", "dates", "x", "--early-stopping", "soon"],
        ["translate", "dates", "--file", "there-is-none.txt"],
        ["neighbors", "dates", "x", "--step", "-1"],
        ["neighbors", "dates", "x", "--k", "0"],
        ["serve", "--port", "65536"],
        ["verify", "extra"],
        ["build"],
        ["export", "checkpoint"],
        ["schedule"],
    ],
)
def test_what_is_not_understood_is_one_sentence_and_exit_code_2(beamscope: Beamscope, arguments: list[str]) -> None:
    outcome = beamscope(*arguments)

    assert outcome.exit_code == 2
    assert "--help" in one_sentence(outcome.stderr)
    assert outcome.stdout == ""


def test_a_workspace_that_is_a_file_is_a_usage_error(beamscope: Beamscope, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    outcome = beamscope("verify", "--workspace", str(file))

    assert outcome.exit_code == 2
    assert "is a file" in one_sentence(outcome.stderr)


@pytest.mark.parametrize("name", ["translate", "neighbors"])
def test_a_model_that_is_not_there_is_named_with_the_workspace(beamscope: Beamscope, tmp_path: Path, name: str) -> None:
    outcome = beamscope(name, "dates", "x", "--workspace", str(tmp_path))

    assert outcome.exit_code == 1
    assert f"no exported model named 'dates' in {tmp_path}" in one_sentence(outcome.stderr)


def test_the_workspace_comes_from_the_environment(
    beamscope: Beamscope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAMSCOPE_WORKSPACE", str(tmp_path / "here"))

    assert str(tmp_path / "here") in one_sentence(beamscope("verify").stderr)


def test_an_option_wins_over_the_environment(
    beamscope: Beamscope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAMSCOPE_WORKSPACE", str(tmp_path / "here"))

    outcome = beamscope("verify", "--workspace", str(tmp_path / "there"))

    assert str(tmp_path / "there") in one_sentence(outcome.stderr)


def test_the_program_fails_like_the_function(program: Program) -> None:
    failed, misused = program("verify"), program("verfiy")

    assert (failed.returncode, misused.returncode) == (1, 2)
    assert "nothing to verify" in one_sentence(failed.stderr)
    assert "verfiy" in one_sentence(misused.stderr)


def test_a_defect_is_one_sentence_that_names_a_file_with_the_details(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pytest.raises(Failure) as failure, explain_failures():
        raise ValueError("two\nlines")

    (log,) = tmp_path.iterdir()
    assert str(log) in failure.value.message
    assert "ValueError: two\nlines" in log.read_text(encoding="utf-8")


def test_an_interruption_and_a_system_error_are_failures_too() -> None:
    for error in (KeyboardInterrupt(), OSError(28, "No space left on device", "/data/file")):
        with pytest.raises(Failure) as failure, explain_failures():
            raise error
        assert failure.value.exit_code == 1
        assert failure.value.message.endswith(".")


def test_a_package_of_the_build_extra_is_named_with_the_extra() -> None:
    expected = r"needs the package torch.*pip install -e '\.\[build\]'"

    with pytest.raises(MissingExtraError, match=expected), require_build_extra("Building"):
        raise ModuleNotFoundError("No module named 'torch'", name="torch.nn")
