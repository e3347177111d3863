"""The files of a checkpoint that are read from a folder or fetched from the Hugging Face hub."""

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
"""Files of weights, in the order of preference; an index names the shards of a large model.

The last two are pickles. Torch reads the tensors in them, and refuses a pickle that would make other objects before it
runs anything.
"""
_CTRANSLATE2 = "model.bin"
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
    *(f"{side}_vocabulary{suffix}" for side in ("shared", "source", "target") for suffix in (".json", ".txt")),
)
"""Files of configuration, tokenizers and CTranslate2's vocabularies. Other files of a repository, code above all, are
not fetched."""


def choose_weights(names: Collection[str]) -> Sequence[str]:
    """The files of weights among ``names``, in one format: safetensors if there are any, CTranslate2's if no other."""
    first = next((name for name in (*WEIGHT_FILES, _CTRANSLATE2) if name in names), None)
    if first is None:
        return ()
    shards = _SHARDS.get(first)
    return (first, *sorted(name for name in names if shards and fnmatchcase(name, shards) and "/" not in name))
