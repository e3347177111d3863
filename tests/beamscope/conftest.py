"""Running the command line for real: in this process where that is enough, as a program where it is not."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from beamscope.cli import command_line
from tests.beamscope.shell import Beamscope, Program


@pytest.fixture
def beamscope() -> Beamscope:
    """Call it with the arguments of a command; `exit_code`, `stdout` and `stderr` are what a shell would see."""

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(command_line, list(arguments), input=stdin, prog_name="beamscope")

    return run


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The same as a process of its own, in an empty folder."""

    def run(*arguments: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "beamscope", *arguments]
        env = {**os.environ, **(environment or {})}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120)

    return run
