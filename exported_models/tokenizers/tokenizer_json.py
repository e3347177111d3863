"""Tokenizers in the ``tokenizer.json`` format, run by the ``tokenizers`` library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer as Processor

from exported_models.contract.errors import ArtefactError
from exported_models.contract.manifest import TokenizerJsonSpec
from exported_models.contract.tokens import Encoding
from exported_models.tokenizers.subwords import group_words, trim_span
from exported_models.tokenizers.vocabulary import Vocabulary, load_vocabulary


@dataclass(frozen=True)
class JsonTokenizer(Vocabulary):
    """Tokens of any tokenizer that a ``tokenizer.json`` describes: BPE of bytes or characters, unigram, word pieces."""

    processor: Processor
    spec: TokenizerJsonSpec

    def encode(self, text: str, *, end: bool) -> Encoding:
        before, after = self.spec.before, self.spec.after if end else ()
        found = self.processor.encode(text, add_special_tokens=False)
        ids = (*before, *found.ids, *after)
        inner = [trim_span(text, *span) for span in found.offsets]
        spans = (*((0, 0),) * len(before), *inner, *((len(text), len(text)),) * len(after))
        tokens = self.name_tokens(ids)
        apart = [True] * len(before) + [False] * len(inner) + [True] * len(after)
        return Encoding(text, ids, tokens, spans, group_words(text, tokens, spans, apart, self.spec.continuing))

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self.processor.decode(self.drop_special(ids), skip_special_tokens=True)
        return text


def load_json_tokenizer(folder: Path, spec: TokenizerJsonSpec, special_ids: Sequence[int]) -> JsonTokenizer:
    """Open the ``tokenizer.json`` and the vocabulary that a manifest names.

    Raises:
        ArtefactError: a file is missing or damaged.
    """
    path = folder / spec.file
    try:
        processor = Processor.from_buffer(path.read_bytes())
    except Exception as error:  # the library raises bare exceptions for a damaged file
        raise ArtefactError(f"The tokenizer {path} cannot be read; export the model again.") from error
    return JsonTokenizer(load_vocabulary(folder / spec.vocabulary), frozenset(special_ids), processor, spec)
