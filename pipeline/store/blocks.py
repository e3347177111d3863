"""Blocks: runs of consecutive corpus lines that are translated and encoded together, each by itself.

Block *n* has the lines from ``n * size`` on, whatever else is in the corpus. A line that is appended or changed
therefore touches one block, also when the model can or cannot read it any more. A block is identified by the token ids
of its pairs: whatever is computed of a block is kept under a name that is made from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exported_models.contract.errors import RequestError
from exported_models.contract.publishing import explain_disk_errors
from pipeline.corpus.pair_tokens import PairTokenizer, PairTokens
from pipeline.corpus.readers import SentencePair
from state_store.pairs import StoredPair, write_pairs

_BYTES_AROUND_TEXTS = 80


@dataclass(frozen=True, slots=True)
class Block:
    """The pairs of a block that the model can read.

    Attributes:
        first: id of the first pair.
        pairs: how many; at least one.
        source_tokens, target_tokens: their tokens, end of sentence included.
        digest: of their token ids, in order.
    """

    first: int
    pairs: int
    source_tokens: int
    target_tokens: int
    digest: str


@dataclass(frozen=True, slots=True)
class SelectedPairs:
    """The pairs of a corpus that the model can read, and how many it cannot.

    Attributes:
        left_out: pairs that no request could have, or that the model's tokenizers cannot express, or that are too long.
        first_left_out: says why the first of them is.
        text_bytes: about the size of the pairs on disk.
    """

    blocks: tuple[Block, ...]
    left_out: int
    first_left_out: str
    text_bytes: int

    @property
    def pairs(self) -> int:
        return sum(block.pairs for block in self.blocks)

    @property
    def source_tokens(self) -> int:
        return sum(block.source_tokens for block in self.blocks)

    @property
    def target_tokens(self) -> int:
        return sum(block.target_tokens for block in self.blocks)


@dataclass(slots=True)
class PairSelection:
    """Selects the pairs that a model can read while they pass, and cuts them into blocks.

    Attributes:
        corpus: its name, for people.
        has_targets: the corpus' own; without, targets are the model's translations, or not there yet.
        block_lines: corpus lines a block.
    """

    tokenizer: PairTokenizer
    corpus: str
    has_targets: bool
    block_lines: int
    left_out: int = 0
    first_left_out: str = ""
    _text_bytes: int = 0
    _blocks: list[_GrowingBlock] = field(default_factory=list)

    def write(self, folder: Path, pairs: Iterable[SentencePair]) -> SelectedPairs:
        """Write the pairs that the model can read into a folder, as of a store."""
        with explain_disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_pairs(folder, self._accept(pairs))
        blocks = tuple(block.finish() for block in self._blocks)
        return SelectedPairs(blocks, self.left_out, self.first_left_out, self._text_bytes)

    def leave_out(self, line: int, reason: str) -> None:
        """Count a pair that will not be in the store."""
        self.left_out += 1
        self.first_left_out = self.first_left_out or f"{self.corpus}, line {line}: {reason}"

    def _accept(self, pairs: Iterable[SentencePair]) -> Iterator[StoredPair]:
        accepted = 0
        for pair in pairs:
            try:
                tokens = self.tokenizer.read(pair)
            except RequestError as error:
                self.leave_out(pair.line, str(error))
                continue
            self._block_of(pair.line, accepted).add(tokens)
            self._text_bytes += len(pair.source.encode()) + len((pair.target or pair.source).encode())
            self._text_bytes += _BYTES_AROUND_TEXTS
            yield StoredPair(
                accepted, pair.source, pair.target or "", pair.line, target_is_model_output=not self.has_targets
            )
            accepted += 1

    def _block_of(self, line: int, first: int) -> _GrowingBlock:
        number = (line - 1) // self.block_lines
        if not self._blocks or self._blocks[-1].number != number:
            self._blocks.append(_GrowingBlock(number, first))
        return self._blocks[-1]


@dataclass(slots=True)
class _GrowingBlock:
    number: int
    first: int
    pairs: int = 0
    source_tokens: int = 0
    target_tokens: int = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, tokens: PairTokens) -> None:
        self.pairs += 1
        self.source_tokens += len(tokens.source_ids)
        # A target that is not there yet will be about as long as its source.
        self.target_tokens += len(tokens.target_ids or tokens.source_ids)
        self._hash.update(f"{_spell(tokens.source_ids)};{_spell(tokens.target_ids)}\n".encode("ascii"))

    def finish(self) -> Block:
        return Block(self.first, self.pairs, self.source_tokens, self.target_tokens, self._hash.hexdigest())


def list_digests(blocks: Sequence[Block]) -> list[list[object]]:
    """The identity of blocks in their order, as a JSON value."""
    return [[block.first, block.pairs, block.digest] for block in blocks]


def _spell(ids: Sequence[int]) -> str:
    return ",".join(map(str, ids))
