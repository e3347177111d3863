"""One build of a name at a time, and the files that a killed one was writing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from exported_models.contract.publishing import list_files
from pipeline.work.lock import only_build

WRITER = """
import sys, time
from pathlib import Path
from exported_models.contract.publishing import open_atomically
from pipeline.work.lock import only_build

with only_build(Path(sys.argv[1]), "x"), open_atomically(Path(sys.argv[1]) / "staged" / "vectors.npy") as stream:
    stream.write(b"half of it")
    stream.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


def test_a_file_that_a_killed_build_was_writing_is_no_part_of_the_next_one(tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / "tokens.npy").write_bytes(b"whole")
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        writer.kill()
    assert len(list_files(staged)) == 2

    with only_build(tmp_path, "x"):
        assert list(list_files(staged)) == ["tokens.npy"]
