"""Files that a person asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from beamscope.errors import CommandError
from beamscope.written_files import open_written, write_file


def write_half(path: Path) -> None:
    with open_written(path) as stream:
        stream.write(b"half of what comes af")
        raise ZeroDivisionError


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_file(path, "before")
    with pytest.raises(ZeroDivisionError):
        write_half(path)

    assert path.read_text() == "before"
    write_file(path, "after")
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    path, link = tmp_path / "report.html", tmp_path / "latest.html"
    link.symlink_to(path)
    write_file(link, "new")

    assert link.is_symlink()
    assert path.read_text() == "new"


def test_a_device_stays_a_device() -> None:
    device = Path("/dev/null")
    write_file(device, "nothing")

    assert device.is_char_device()


def test_where_nothing_can_be_written_one_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"report\.html cannot be written \(No such file or directory\)\.$"):
        write_file(tmp_path / "missing" / "report.html", "")
