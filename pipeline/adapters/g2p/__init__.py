"""The adapter of g2p-en (Park and Kim 2018): English words to phonemes by a GRU encoder-decoder without attention.

Its weights are one ``.npz`` inside the package. The package is located without importing it, which would download data.
`recognizes` is called for every checkpoint, so heavy packages are imported in `load` only.
"""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path

from pipeline.errors import CheckpointError
from pipeline.models.checkpoint import LoadedCheckpoint

INSTALLED = "g2p-en"
"""Name of the installed package's checkpoint in project files and on the command line."""

GRU_ARRAYS = ("w_ih", "w_hh", "b_ih", "b_hh")
ARRAYS = frozenset(
    {"enc_emb", "dec_emb", "fc_w", "fc_b", *(f"{side}_{name}" for side in ("enc", "dec") for name in GRU_ARRAYS)}
)
_FILE = "checkpoint20.npz"


class G2pAdapter:
    """Reads the package's ``checkpoint20.npz``, or the folder it lies in."""

    name = "g2p"
    reads = f"{_FILE} of the package g2p-en"

    def recognizes(self, checkpoint: Path) -> bool:
        try:
            with zipfile.ZipFile(_find_file(checkpoint)) as archive:
                return {name.removesuffix(".npy") for name in archive.namelist()} == ARRAYS
        except (OSError, zipfile.BadZipFile):
            return False

    def load(self, checkpoint: Path) -> LoadedCheckpoint:
        from pipeline.adapters.g2p.loading import load_checkpoint

        return load_checkpoint(_find_file(checkpoint))


def find_g2p_en() -> Path:
    """The checkpoint inside the installed package.

    Raises:
        CheckpointError: the package is not installed.
    """
    spec = find_spec("g2p_en")
    if spec is None or spec.origin is None:
        raise CheckpointError("The package g2p-en is not installed: pip install g2p-en.")
    return Path(spec.origin).parent / _FILE


def _find_file(checkpoint: Path) -> Path:
    return checkpoint / _FILE if checkpoint.is_dir() else checkpoint
