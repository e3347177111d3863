"""The files of a Hugging Face checkpoint: what is read of a folder, and what is fetched from the hub."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

CONFIG_FILE = "config.json"

INDEX_SUFFIX = ".index.json"

WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""In the order in which they are looked for; an index names the shards of a large model.

The last two are pickles: torch reads the tensors in them and refuses, without running anything, whatever else they
would make.
"""
_SHARDS = {
    "model.safetensors.index.json": "model-*-of-*.safetensors",
    "pytorch_model.bin.index.json": "pytorch_model-*-of-*.bin",
}

SMALL_FILES = (
    CONFIG_FILE,
    "generation_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "target_vocab.json",
    "vocab.txt",
    "merges.txt",
    "source.spm",
    "target.spm",
    "spiece.model",
    "sentencepiece.model",
    "sentencepiece.bpe.model",
)
"""Configuration and tokenizers; whatever else a repository has, code above all, is not fetched."""


def choose_weights(names: Collection[str]) -> Sequence[str]:
    """The files of the weights among ``names``: one form of them, safetensors where there are any."""
    first = next((name for name in WEIGHT_FILES if name in names), None)
    if first is None:
        return ()
    shards = _SHARDS.get(first)
    return (first, *sorted(name for name in names if shards and fnmatchcase(name, shards) and "/" not in name))
