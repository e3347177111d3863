"""Print docs/families.md: the analyses that every family of models offers, as read from a tiny checkpoint of each.

`make families` writes the page; a test says when it is out of date.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from torch import nn

from pipeline.adapters import load_adapter
from pipeline.adapters.ctranslate2 import CTranslate2Adapter
from pipeline.adapters.fairseq import FairseqAdapter
from pipeline.adapters.g2p import find_g2p_en
from pipeline.adapters.huggingface.families import MISSING
from pipeline.adapters.joeynmt import JoeyNmtAdapter
from pipeline.models.checkpoint import LoadedCheckpoint
from tests.pipeline.adapters.ctranslate2.folders import save_folder
from tests.pipeline.adapters.fairseq.folders import save_folder as save_fairseq
from tests.pipeline.adapters.huggingface.tiny_checkpoints import FAMILIES, save_tiny_checkpoint
from tests.pipeline.adapters.joeynmt.modules import make_config, make_model
from tests.pipeline.adapters.joeynmt.modules import save_folder as save_joey
from tests.pipeline.adapters.joeynmt.recurrent_modules import make_recurrent_config, make_recurrent_model

PAGE = Path(__file__).resolve().parent.parent / "docs" / "families.md"
_DATES = PAGE.parent.parent / "examples" / "dates" / "checkpoint"
_HEADER = """# What each family offers

Written by `make families`; do not edit. A tiny checkpoint of every family was loaded, and its adapter
says the rest. Families that offer the same share a row.

- *Attention*: the kinds that are recorded (encoder and decoder self-attention, cross-attention).
- *Spaces*: those recorded with every translation; those computed on demand, for each layer but the last; tables.
- *Overrides*: attention weights of a target step can be replaced. *Ablation*: the heads that can be left out.
- *One pass*: a corpus is encoded by one pass over each target; without it, step by step.
- *int8*: a quantized twin can be made (`beamscope export --quantize int8`; `float16` for GPUs).

Marian's own models offer what Marian offers below (those with an SSRU: no decoder self-attention, and no one pass);
OpenNMT-py's Transformers what BART offers, and its recurrent models what Luong's offers.

LED and PEGASUS-X read documents: every position that their checkpoints have (16,384 in those published), eight
characters a token, in memory that grows linearly with the source (`python -m benchmarks.long_source`). LED's first
token attends to every token and every token to it, as its authors advise for summaries; the library does so where
`global_attention_mask` says so. Self-attention between all tokens of a source is refused, with its size, where it takes
over 256 MB.

"""
_COLUMNS = (
    "Family",
    "Attention",
    "Recorded spaces",
    "On demand",
    "Tables",
    "Overrides",
    "Ablation",
    "One pass",
    "int8",
)
_MISSING = """
Families that are refused, and what they need that is missing:

| model_type | missing |
|---|---|
{rows}
"""


def write_page(folder: Path) -> str:
    """The page; checkpoints are written into ``folder``."""
    offers: dict[tuple[str, ...], list[str]] = {}
    for name, checkpoint in load_families(folder):
        offers.setdefault(_describe(checkpoint), []).append(name)
    rows = [_row(_COLUMNS), "|" + "---|" * len(_COLUMNS)]
    rows += [_row((", ".join(names), *offer)) for offer, names in offers.items()]
    missing = "\n".join(f"| {kind} | {why} |" for kind, why in sorted(MISSING.items()))
    return _HEADER + "\n".join(rows) + "\n" + _MISSING.format(rows=missing)


def load_families(folder: Path) -> Iterator[tuple[str, LoadedCheckpoint]]:
    """A checkpoint of every family, by the name that people know it by."""
    for family in sorted(FAMILIES):
        yield family, load_adapter("huggingface").load(save_tiny_checkpoint(family, folder / family))
    yield "CTranslate2's folders", CTranslate2Adapter().load(save_folder("flan-t5", folder / "ctranslate2"))
    save_fairseq("fsmt", folder / "fairseq")
    yield "fairseq's Transformers", FairseqAdapter().load(folder / "fairseq")
    yield "JoeyNMT's Transformers", JoeyNmtAdapter().load(save_joey(folder / "joeynmt", make_model(), make_config()))
    recurrent = save_joey(folder / "joeynmt-recurrent", make_recurrent_model(), make_recurrent_config())
    yield "JoeyNMT's LSTMs and GRUs", JoeyNmtAdapter().load(recurrent)
    yield "Luong's (LSTM with attention)", load_adapter("luong").load(_DATES)
    yield "g2p-en (GRU without attention)", load_adapter("g2p").load(find_g2p_en())


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _describe(model: LoadedCheckpoint) -> tuple[str, ...]:
    kinds = {
        "encoder": model.encoder_self_attention is not None,
        "decoder": model.decoder_self_attention is not None,
        "cross": model.cross_attention_layers > 0,
    }
    quantized = any(isinstance(part, nn.Linear) for part in model.decoder_step.modules())
    return (
        _list(kinds),
        *(_name_spaces(model, kind) for kind in ("recorded", "on_demand", "table")),
        _mark(kinds["cross"]),
        _list(kinds),
        _mark(model.teacher_forced is not None),
        _mark(quantized),
    )


def _name_spaces(model: LoadedCheckpoint, kind: str) -> str:
    """Names of spaces, with a star for the number of a layer."""
    names = (space.name for space in model.spaces if space.kind == kind)
    starred = (name if "_layer_" not in name else name.rpartition("_")[0] + "_*" for name in names)
    return ", ".join(dict.fromkeys(starred)) or "none"


def _list(there: Mapping[str, bool]) -> str:
    return ", ".join(name for name, value in there.items() if value) or "none"


def _mark(value: bool) -> str:
    return "yes" if value else "no"


def main() -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(write_page(Path(folder)))


if __name__ == "__main__":
    main()
