"""CTranslate2 as a peer, where it is installed: `pip install ctranslate2`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.traced import BEAM_SIZE
from pipeline.adapters.huggingface.checkpoint import quiet_library


def is_installed() -> bool:
    return importlib.util.find_spec("ctranslate2") is not None


class Translator:
    """A checkpoint as CTranslate2 runs it on one thread, asked for the whole n-best list with scores and attention.

    Args:
        compute_type: ``float32`` or ``int8``.
        length: if given, every translation has so many tokens.
    """

    def __init__(self, checkpoint: Path, folder: Path, compute_type: str, length: int | None = None) -> None:
        library: Any = importlib.import_module("ctranslate2")
        with quiet_library():
            library.converters.TransformersConverter(str(checkpoint)).convert(str(folder), force=True)
        self._translator = library.Translator(
            str(folder), compute_type=compute_type, inter_threads=1, intra_threads=1, device="cpu"
        )
        bounds = ("min_decoding_length", "max_decoding_length")
        self._settings = {} if length is None else dict.fromkeys(bounds, length)

    def translate(self, tokens: Sequence[str]) -> Any:
        """Translate a sentence given as tokens, end of sentence included."""
        return self._translator.translate_batch(
            [list(tokens)],
            beam_size=BEAM_SIZE,
            num_hypotheses=BEAM_SIZE,
            return_scores=True,
            return_attention=True,
            **self._settings,
        )
