"""Texts to padded batches of ids and back, a character a token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from pipeline.models.luong import END, PAD, SPECIAL_TOKENS, START, UNKNOWN


def build_vocabulary(texts: Iterable[str]) -> tuple[str, ...]:
    """The special tokens, then every character of the texts in code-point order."""
    return (*SPECIAL_TOKENS, *sorted({character for text in texts for character in text}))


def number_tokens(vocabulary: Sequence[str]) -> dict[str, int]:
    """Token -> id."""
    return {token: index for index, token in enumerate(vocabulary)}


def encode_sources(texts: Sequence[str], ids: Mapping[str, int]) -> tuple[Tensor, Tensor]:
    """Source ids and mask [N, S]; every source ends with ``</s>``, unknown characters become ``<unk>``."""
    rows = [[*(ids.get(character, ids[UNKNOWN]) for character in text), ids[END]] for text in texts]
    padded = _pad(rows, ids[PAD])
    return padded, padded != ids[PAD]


def encode_targets(texts: Sequence[str], ids: Mapping[str, int]) -> tuple[Tensor, Tensor]:
    """Inputs of the decoder, beginning with ``<s>``, and the targets it is to write, ending with ``</s>``: [N, T]."""
    rows = [[ids[character] for character in text] for text in texts]
    return _pad([[ids[START], *row] for row in rows], ids[PAD]), _pad([[*row, ids[END]] for row in rows], ids[PAD])


def decode_targets(rows: Tensor, vocabulary: Sequence[str]) -> list[str]:
    """The texts of generated ids [N, T], each up to its first ``</s>``."""
    end = vocabulary.index(END)
    texts = []
    for row in rows.tolist():
        length = row.index(end) if end in row else len(row)
        texts.append("".join(vocabulary[index] for index in row[:length]))
    return texts


def _pad(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[pad_id] * (width - len(row))] for row in rows], dtype=torch.int64)
