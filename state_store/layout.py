"""Names of the files in a store's folder.

pairs.jsonl                     one sentence pair a line, in order of sentence id
pairs.offsets.npy               int64 [sentences + 1]  byte offset of each line
pairs.keys.npy                  uint64 [sentences]     hash of each normalized source, sorted
pairs.keyed.npy                 int64 [sentences]      the sentence of each hash
spaces/<space>/vectors.npy      float16 [rows, size]   centered states of unit length
spaces/<space>/tokens.npy       int32 [rows, 4]        sentence, position, token, next token
spaces/<space>/contexts.npy     int32 [rows]           equal numbers for equal tokens in equal contexts
spaces/<space>/starts.npy       int64 [sentences + 1]  first row of each sentence
spaces/<space>/center.npy       float32 [size]         what was subtracted before normalizing
spaces/<space>/calibration.npy  float32 [101]          percentiles of the nearest distance of held-out states
spaces/<space>/index/           ScaNN's files, where the space has an approximate index
spaces/<space>/map.<kind>.npy   float32 [rows, 2]      a global map
"""

from pathlib import Path

PAIRS = "pairs.jsonl"
PAIR_OFFSETS = "pairs.offsets.npy"
PAIR_KEYS = "pairs.keys.npy"
PAIR_KEYED = "pairs.keyed.npy"

PAIR_FILES = (PAIRS, PAIR_OFFSETS, PAIR_KEYS, PAIR_KEYED)
"""Files that writing the pairs leaves in the store's folder."""

VECTORS = "vectors.npy"
TOKENS = "tokens.npy"
CONTEXTS = "contexts.npy"
STARTS = "starts.npy"
CENTER = "center.npy"
CALIBRATION = "calibration.npy"
INDEX_FOLDER = "index"
INDEX_DATA = "int8_dataset.npy"
"""The large one of ScaNN's files: a byte a dimension."""

ENCODED_FILES = (VECTORS, TOKENS, CONTEXTS, STARTS, CENTER)
"""Files that encoding the corpus leaves in the folder of every space."""


def space_folder(store: Path, space: str) -> Path:
    """Folder of one space inside a store."""
    return store / "spaces" / space


def space_of(name: str) -> str | None:
    """The space that a file of a store, by its relative path, belongs to; None for those of the sentence pairs."""
    parts = name.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "spaces" else None


def steers_index(name: str) -> bool:
    """Whether a file of a store is one that ScaNN trusts: a wrong byte there ends the process."""
    return f"/{INDEX_FOLDER}/" in name and not name.endswith(INDEX_DATA)


def map_filename(kind: str) -> str:
    """Name of the file of a global map inside its space's folder."""
    return f"map.{kind}.npy"
