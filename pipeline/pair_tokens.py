"""Sentence pairs as token ids: one rule for what a model can read, whether a pair is encoded or held out."""

from __future__ import annotations

from dataclasses import dataclass

from exported_models.errors import RequestError
from exported_models.manifest import ModelManifest
from exported_models.tokenizer import Tokenizer
from pipeline.corpora import SentencePair
from pipeline.errors import CorpusError
from state_store.pairs import StoredPair


@dataclass(frozen=True, slots=True)
class PairTokens:
    """Token ids of both sides, end of sentence included."""

    source_ids: tuple[int, ...]
    target_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PairTokenizer:
    """The tokenizers of a model, and how much it reads and writes."""

    manifest: ModelManifest
    source: Tokenizer
    target: Tokenizer

    def read(self, pair: SentencePair | StoredPair) -> PairTokens:
        """The tokens of a pair.

        Raises:
            RequestError: the model cannot express it, or it is too long.
            CorpusError: it has no target, so that nothing of its corpus can be used.
        """
        if pair.target is None:
            raise CorpusError("The corpus has sources only; a store needs a target for each, in a column or file.")
        source_ids = self.source.encode(pair.source, end=True).ids
        target_ids = self.target.encode(pair.target, end=True).ids
        if len(source_ids) > self.manifest.max_source_tokens:
            raise RequestError(f"The source has {len(source_ids)} tokens, more than the model reads.")
        if self.manifest.max_target_tokens and len(target_ids) > self.manifest.max_target_tokens:
            raise RequestError(f"The target has {len(target_ids)} tokens, more than the model has positions for.")
        return PairTokens(source_ids, target_ids)
