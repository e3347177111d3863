"""A Marian model of the size of opus-mt with random weights, for times that depend on the size alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
import transformers

from exported_models.contract.manifest import CheckpointOrigin
from exported_models.runtime.model import ExportedModel
from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.graphs.export import describe_model, seal, write_graphs

LAYERS, SIZE, HEADS, FEED_FORWARD = 6, 512, 8, 2048
_TOKENIZER_FILES = ("source.spm", "target.spm", "vocab.json", "tokenizer_config.json", "generation_config.json")
_NEVER = -1e9
"""Bias of the end of sentence: random weights would end some sentences early, and not the same ones on both sides."""


def write_random_checkpoint(like: Path, folder: Path) -> None:
    """A checkpoint with the vocabulary of the Marian checkpoint ``like`` and random weights."""
    library: Any = transformers
    torch.manual_seed(0)
    stacks = {
        f"{owner}_{name}": value
        for owner in ("encoder", "decoder")
        for name, value in (("layers", LAYERS), ("attention_heads", HEADS), ("ffn_dim", FEED_FORWARD))
    }
    settings = json.loads((like / "config.json").read_text(encoding="utf-8"))
    config = library.MarianConfig(**{**settings, **stacks, "d_model": SIZE})
    model = library.MarianMTModel(config)
    model.final_logits_bias[:, config.eos_token_id] = _NEVER
    with quiet_library():
        model.save_pretrained(folder)
    for name in _TOKENIZER_FILES:
        shutil.copyfile(like / name, folder / name)


def export_unverified(checkpoint: Path, folder: Path) -> ExportedModel:
    """Export into a folder without the parity check, which would translate for minutes to say nothing about time."""
    source = load_adapter("huggingface").load(checkpoint)
    write_graphs(source, folder)
    origin = CheckpointOrigin(adapter="huggingface", name=checkpoint.name, digest="")
    seal(folder, describe_model(source, folder.name, origin), None)
    return ExportedModel.open(folder, threads=1)
