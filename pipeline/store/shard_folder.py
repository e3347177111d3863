"""Folders in which a long step gathers what it made, part by part, so that it can be interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path

from exported_models.contract.publishing import explain_disk_errors, write_bytes_atomically

_STAMP = "fingerprint"


def open_shard_folder(folder: Path, fingerprint: str) -> Path:
    """The folder, emptied if what is in it was made from something else."""
    stamp = folder / _STAMP
    if not (stamp.is_file() and stamp.read_bytes() == fingerprint.encode()):
        with explain_disk_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        write_bytes_atomically(stamp, fingerprint.encode())
    return folder
