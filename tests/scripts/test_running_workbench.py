"""The workbench as a program: its address is found, and it ends with its user."""

import urllib.request
from pathlib import Path

import pytest

from scripts.running_workbench import find_address, running_workbench


def test_the_address_is_found_among_what_else_is_said() -> None:
    lines = ["Everything is up to date.\n", "Beamscope is at http://127.0.0.1:8050/ (Ctrl-C ends it)\n"]

    assert find_address(lines) == "http://127.0.0.1:8050/"


def test_without_an_address_what_was_said_is_the_error() -> None:
    with pytest.raises(RuntimeError, match="did not start: The disk is full"):
        find_address(["The disk is full.\n"])


@pytest.mark.slow
def test_the_page_answers_while_it_runs_and_not_afterwards(tmp_path: Path) -> None:
    with running_workbench("serve", tmp_path) as address, urllib.request.urlopen(address, timeout=30) as reply:
        assert reply.status == 200

    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=30)
