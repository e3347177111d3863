"""Containers and units say what the command line understands, and nothing runs with rights."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from beamscope.cli import command_line

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def check_options(arguments: Sequence[str]) -> None:
    """Fail where a command does not exist, or does not have an option."""
    command = command_line.commands[arguments[0]]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= known


def test_images_run_commands_that_there_are() -> None:
    commands = [json.loads(line) for line in re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)]
    assert [command[0] for command in commands] == ["serve", "doctor"]
    for command in commands:
        check_options(command)


def test_images_take_their_versions_from_the_lock_and_run_without_rights() -> None:
    installs = [line for line in DOCKERFILE.splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert all("--constraint /lock.txt" in line for line in installs)
    assert "[build]" in installs[1]
    assert "[build]" not in installs[0]
    assert len(re.findall(r"^USER 1000:1000$", DOCKERFILE, re.MULTILINE)) == 2


def test_every_service_of_the_composition_is_built_here_without_rights() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        assert service["image"] in ("beamscope:serving", "beamscope:building")
        assert service["cap_drop"] == ["ALL"]
    assert services["workbench"]["volumes"] == ["workspace:/workspace:ro"]
    check_options([word for word in services["builder"]["command"] if "$" not in word])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_units_run_commands_that_there_are(unit: Path) -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(unit.read_text(encoding="utf-8"))
    program, *arguments = shlex.split(parser["Service"]["ExecStart"])

    assert program.endswith("/beamscope")
    check_options(arguments)
    assert parser["Service"]["NoNewPrivileges"] == "yes"
