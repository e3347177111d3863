"""Sentence pairs as token ids, and the rule for which pairs a model can read.

Pairs of the corpus and held-out pairs are judged alike. Texts are judged as those of requests are, so that every pair
in a store can be opened.
"""

from __future__ import annotations

from dataclasses import dataclass

from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.texts import check_text, longest_source
from exported_models.runtime.model import ExportedModel
from exported_models.tokenizers.vocabulary import Tokenizer
from pipeline.corpus.readers import SentencePair
from state_store.pairs import StoredPair


@dataclass(frozen=True, slots=True)
class PairTokens:
    """Token ids of both sides, end of sentence included; no ``target_ids`` where there is no target yet."""

    source_ids: tuple[int, ...]
    target_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PairTokenizer:
    """The tokenizers of a model, and the most tokens that it reads and writes."""

    manifest: ModelManifest
    source: Tokenizer
    target: Tokenizer

    @classmethod
    def of(cls, model: ExportedModel) -> PairTokenizer:
        """The tokenizers of an opened model."""
        return cls(model.manifest, model.source_tokenizer, model.target_tokenizer)

    def read(self, pair: SentencePair | StoredPair) -> PairTokens:
        """The tokens of a pair, or of a source without a target.

        Raises:
            RequestError: a request could not have one of the texts (`check_text`), or the model cannot express it.
        """
        source_ids = self.read_source(pair.source)
        if not pair.target:
            return PairTokens(source_ids, ())
        check_text(pair.target, "target text", "target")
        target_ids = self.target.encode(pair.target, end=True).ids
        if self.manifest.max_target_tokens and len(target_ids) > self.manifest.max_target_tokens:
            raise RequestError(f"The target has {len(target_ids)} tokens, more than the model has positions for.")
        return PairTokens(source_ids, target_ids)

    def read_source(self, text: str) -> tuple[int, ...]:
        """The tokens of a source.

        Raises:
            RequestError: a request could not have the text (`check_text`), or the model cannot express it.
        """
        check_text(text, "source text", "source", longest_source(self.manifest.max_source_tokens))
        source_ids = self.source.encode(text, end=True).ids
        if len(source_ids) > self.manifest.max_source_tokens:
            raise RequestError(f"The source has {len(source_ids)} tokens, more than the model reads.")
        return source_ids
