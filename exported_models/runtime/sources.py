"""Readers of sources: from the payload of a request to a `Source`, one reader for each kind of source.

To add a kind: a reader here, listed in `SOURCE_READERS`; an adapter that names the kind and the encoder's input in the
manifest (`exported_models.contract.manifest.SourceSpec`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exported_models.contract.errors import ArtefactError, SourceTooLongError
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.source import Source
from exported_models.contract.texts import check_text, longest_source
from exported_models.contract.tokens import Encoding
from exported_models.tokenizers.vocabulary import Tokenizer


class SourceReader(Protocol):
    """Makes sources for one model."""

    def read(self, payload: str, *, cut: bool = False) -> Source:
        """The source that a request names.

        Args:
            cut: whether what is longer than the model reads is cut, and not refused.

        Raises:
            RequestError: the model cannot read it.
        """


@dataclass(frozen=True, slots=True)
class TextReader:
    """Reads texts by a tokenizer."""

    tokenizer: Tokenizer
    model_id: str
    max_tokens: int
    unknown_id: int | None = None

    def read(self, payload: str, *, cut: bool = False) -> Source:
        """Tokenize a text. What is cut off are the last tokens of the text; those after it, its end, stay.

        Raises:
            RequestError: the text is empty, too long, holds a control character, or cannot be expressed.
        """
        check_text(payload, "source text", "source", longest_source(self.max_tokens))
        encoding = self.tokenizer.encode(payload, end=True)
        surplus = max(0, len(encoding) - self.max_tokens)
        if surplus and not cut:
            raise SourceTooLongError(
                f"The source text has {len(encoding)} tokens; {self.model_id} reads at most {self.max_tokens}. "
                "Shorten it, or ask for it to be cut.",
                field="source",
            )
        if surplus:
            encoding = _cut(encoding, surplus, len(encoding) - len(self.tokenizer.encode(payload, end=False)))
        return Source.of_text(encoding, unknown_id=self.unknown_id, cut=surplus)


def _cut(encoding: Encoding, surplus: int, after: int) -> Encoding:
    """An encoding without its last tokens but for the ``after`` ones that follow the text."""
    kept = [*range(len(encoding) - after - surplus), *range(len(encoding) - after, len(encoding))]
    return encoding.keep(kept)


OpenReader = Callable[[ModelManifest, Tokenizer], SourceReader]
"""Makes the reader of a model from its manifest and the tokenizer of its source side."""


def _open_text_reader(manifest: ModelManifest, tokenizer: Tokenizer) -> SourceReader:
    unknown_id = getattr(manifest.source_tokenizer, "unknown_id", None)
    return TextReader(tokenizer, manifest.model_id, manifest.max_source_tokens, unknown_id)


SOURCE_READERS: dict[str, OpenReader] = {"text": _open_text_reader}
"""Kind of source -> its reader."""


def open_source_reader(manifest: ModelManifest, tokenizer: Tokenizer) -> SourceReader:
    """The reader of a model's sources.

    Raises:
        ArtefactError: this version of Beamscope does not know the kind; the message lists the known ones.
    """
    try:
        return SOURCE_READERS[manifest.source.kind](manifest, tokenizer)
    except KeyError:
        raise ArtefactError(
            f"{manifest.model_id} reads sources of the kind {manifest.source.kind!r}; this version of Beamscope knows "
            f"{', '.join(SOURCE_READERS)}. Update Beamscope, or export the model again."
        ) from None
