"""Milliseconds a step of a full trace beside CTranslate2 of the same weights, sentence by sentence in turns.

python -m benchmarks.steps WORKSPACE MODEL CHECKPOINT      as JSON; needs `pip install ctranslate2`

A full trace is every candidate, attention of every layer and head, states, top k and n-best; CTranslate2 gives the
n-best list, its scores and the attention of one layer. Both run on one thread, in float32.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ctranslate2_peer import Translator
from benchmarks.measure import compare, one_thread, shorten
from benchmarks.report import Figure
from benchmarks.traced import BEAM_SIZE, Traced
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel

STEPS = 10
SENTENCES = (
    "two dogs play in the snow",
    "a man in a blue shirt stands on a ladder and cleans a window",
    "children",
    "a woman reads",
    "people walk along a wide street in the old town",
    "the boat lies in the harbour",
)


def measure(model: ExportedModel, checkpoint: Path) -> dict[str, Figure]:
    """Compare a model with its checkpoint in CTranslate2; random weights of both give `STEPS` tokens."""
    ours = Traced(model, STEPS)
    with tempfile.TemporaryDirectory(prefix="beamscope-ctranslate2-") as folder:
        peer = Translator(checkpoint, Path(folder), "float32", STEPS)
        with one_thread():
            found = compare(SENTENCES, ours.trace, lambda line: peer.translate(ours.tokens(line)))
    figures = found.figures("CTranslate2")
    return {
        "ms a step": shorten(figures["ms"] / STEPS),
        "CTranslate2": shorten(figures["CTranslate2 ms"] / STEPS),
        **{name: figures[name] for name in ("speedup", "p10", "p90", "cpu speedup")},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of one model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=f"Beam {BEAM_SIZE}, {STEPS} steps.")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("model")
    parser.add_argument("checkpoint", type=Path)
    options = parser.parse_args(arguments)
    model = ExportedModel.open(Workspace(options.workspace).model_folder(options.model), threads=1)
    print(json.dumps(measure(model, options.checkpoint)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
