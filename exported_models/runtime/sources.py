"""Readers of sources: from the payload of a request to a `Source`, one reader for each kind of source.

To add a kind: a reader here, listed in `SOURCE_READERS`; an adapter that names the kind and the encoder's input in the
manifest (`exported_models.contract.manifest.SourceSpec`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exported_models.contract.errors import ArtefactError, RequestError
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.source import Source
from exported_models.contract.texts import check_text
from exported_models.tokenizers.vocabulary import Tokenizer


class SourceReader(Protocol):
    """Makes sources for one model."""

    def read(self, payload: str) -> Source:
        """The source that a request names.

        Raises:
            RequestError: the model cannot read it.
        """


@dataclass(frozen=True, slots=True)
class TextReader:
    """Reads texts by a tokenizer."""

    tokenizer: Tokenizer
    model_id: str
    max_tokens: int

    def read(self, payload: str) -> Source:
        """Tokenize a text.

        Raises:
            RequestError: the text is empty, too long, holds a control character, or cannot be expressed.
        """
        check_text(payload, "source text", "source")
        encoding = self.tokenizer.encode(payload, end=True)
        if len(encoding) > self.max_tokens:
            raise RequestError(
                f"The source text has {len(encoding)} tokens; {self.model_id} reads at most {self.max_tokens}.",
                field="source",
            )
        return Source.of_text(encoding)


OpenReader = Callable[[ModelManifest, Tokenizer], SourceReader]
"""Makes the reader of a model from its manifest and the tokenizer of its source side."""


def _open_text_reader(manifest: ModelManifest, tokenizer: Tokenizer) -> SourceReader:
    return TextReader(tokenizer, manifest.model_id, manifest.max_source_tokens)


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
