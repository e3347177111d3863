"""Vocabularies and tokenizers of a folder, converted to a form that an exported model runs.

CTranslate2 reads tokens and keeps no tokenizer. Where the folder has one beside the model (tokenizer.json, or
SentencePiece models), it cuts the texts; else texts are tokens between spaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tokenizers import Tokenizer

from exported_models.contract.manifest import (
    Languages,
    SentencePieceSpec,
    TokenizerJsonSpec,
    TokenizerSpec,
    WordTokenizerSpec,
)
from pipeline.adapters.ctranslate2.architecture import Architecture
from pipeline.adapters.ctranslate2.checkpoint import Checkpoint
from pipeline.adapters.sentencepiece_models import read_sentencepiece_model
from pipeline.adapters.special_tokens import Arrangement, arrange_like_target
from pipeline.adapters.vocabularies import write_vocabulary
from pipeline.errors import CheckpointError

_SOURCE_FILE, _TARGET_FILE = "source_vocabulary.json", "target_vocabulary.json"
_JSON_FILE = "tokenizer.json"
_PIECES = ("source.spm", "target.spm")
_SHARED_PIECES = ("sentencepiece.bpe.model", "sentencepiece.model", "spiece.model")
"""Names of SentencePiece models: of the two sides, and of both."""
_PADS = ("<pad>", "<blank>", "[PAD]")
_START_TOKENS = ("<s>", "<start of target>")
_OPENNMT_PAD = "<blank>"
"""Token of the vocabularies of OpenNMT, whose sources have no end of sentence."""
_PROBE = "a"

_CODES: Mapping[str, re.Pattern[str]] = {
    "nllb": re.compile(r"([a-z]{3}_[A-Z][a-z]{3})"),
    "m2m100": re.compile(r"__([a-z]{2,3})__"),
    "mbart": re.compile(r"([a-z]{2}_[A-Z]{2})"),
    "marian": re.compile(r">>(.+)<<"),
}
"""Forms of the tags of languages, by family."""
_FEWEST_TAGS = 2

Framed = SentencePieceSpec | TokenizerJsonSpec


@dataclass(frozen=True, slots=True)
class Vocabularies:
    """Both sides' tokenizers with their files, the languages, and the ids of special tokens on both sides.

    Attributes:
        arrangement: the source's new order where the sides have vocabularies of their own; else None.
    """

    source: TokenizerSpec
    target: TokenizerSpec
    files: dict[str, bytes]
    arrangement: Arrangement | None
    pad_id: int
    start_id: int
    end_id: int
    special_ids: tuple[int, ...]
    languages: Languages | None


def read_vocabularies(checkpoint: Checkpoint, architecture: Architecture) -> Vocabularies:
    """The vocabularies of a folder, with the start of targets where they begin with zeros.

    Raises:
        CheckpointError: a vocabulary lacks a special token, or a tokenizer is damaged or of another vocabulary.
    """
    settings, target = checkpoint.settings, checkpoint.target_tokens
    end_id, unknown_id = (_find(name, checkpoint) for name in (settings.eos_token, settings.unk_token))
    tags = _find_tags(checkpoint)
    start_id = len(target) if architecture.starts_from_zero else _find_start(checkpoint, end_id, tags)
    ids = {target.index(name) for name in (*_PADS, settings.bos_token) if name in target}
    arrangement = None
    source = target
    if not checkpoint.shares_vocabulary:
        special = {index: target[index] for index in {end_id, unknown_id, start_id, *ids} if index < len(target)}
        arrangement = arrange_like_target(checkpoint.source_tokens, special)
        source = arrangement.tokens
    own = _Tokenizers(checkpoint, source, end_id, unknown_id, tags)
    start = next(name for name in _START_TOKENS if name not in target)
    extra = (start,) if architecture.starts_from_zero else ()
    shared = extra if checkpoint.shares_vocabulary and architecture.ties_sides else ()
    source_spec, target_spec, files = own.specify()
    return Vocabularies(
        source=source_spec,
        target=target_spec,
        files={
            **files,
            _SOURCE_FILE: write_vocabulary((*source, *shared)),
            _TARGET_FILE: write_vocabulary((*target, *extra)),
        },
        arrangement=arrangement,
        pad_id=min((target.index(name) for name in _PADS if name in target), default=end_id),
        start_id=start_id,
        end_id=end_id,
        special_ids=tuple(sorted({start_id, end_id, unknown_id, *ids, *tags.ids.values()})),
        languages=tags.describe(source_spec),
    )


@dataclass(frozen=True, slots=True)
class _Tags:
    """The tags of a model's languages, by code; ``family`` is empty without any."""

    family: str
    ids: Mapping[str, int]
    starts: bool

    @property
    def target_tag(self) -> Literal["first", "start", "source"]:
        return "source" if self.family == "marian" else "start" if self.starts else "first"

    def describe(self, source: TokenizerSpec) -> Languages | None:
        """The languages, with that of sources as the tokenizer frames them."""
        if not self.ids or not isinstance(source, SentencePieceSpec | TokenizerJsonSpec):
            return None
        codes = {token_id: code for code, token_id in self.ids.items()}
        if self.target_tag == "source":
            return Languages(tags=dict(self.ids), source=None, target=None, source_tag=None, target_tag="source")
        before, after = (
            next((codes[one] for one in ids if one in codes), None) for ids in (source.before, source.after)
        )
        return Languages(
            tags=dict(self.ids),
            source=before or after,
            target=None,
            source_tag="after" if after or (self.starts and not before) else "before",
            target_tag=self.target_tag,
        )


def _find_tags(checkpoint: Checkpoint) -> _Tags:
    """The tags of the family that has most; a source of another vocabulary has Marian's alone."""
    forms = _CODES if checkpoint.shares_vocabulary else {"marian": _CODES["marian"]}
    found = {family: _match(form, checkpoint.source_tokens) for family, form in forms.items()}
    family = max(found, key=lambda name: len(found[name]))
    starts = checkpoint.settings.decoder_start_token is None
    if len(found[family]) < _FEWEST_TAGS or not checkpoint.shares_vocabulary:
        return _Tags("", {}, starts)
    return _Tags(family, found[family], starts)


def _match(form: re.Pattern[str], tokens: Sequence[str]) -> dict[str, int]:
    matches = ((form.fullmatch(token), index) for index, token in enumerate(tokens))
    return {match[1]: index for match, index in matches if match}


def _find_start(checkpoint: Checkpoint, end_id: int, tags: _Tags) -> int:
    """The token that targets start with; without one it is the tag of a language, which a request names."""
    start = checkpoint.settings.decoder_start_token
    if start is not None:
        return _find(start, checkpoint)
    if not tags.ids:
        raise CheckpointError(
            f"The model in {checkpoint.folder} has no decoder_start_token, and no tags of languages that targets could "
            "start with; set the token in its config.json."
        )
    return end_id


def _find(name: str, checkpoint: Checkpoint) -> int:
    if name not in checkpoint.target_tokens:
        raise CheckpointError(
            f"The target vocabulary in {checkpoint.folder} has no {name!r}, which its config.json names; copy the "
            "model again."
        )
    return checkpoint.target_tokens.index(name)


@dataclass(frozen=True, slots=True)
class _Tokenizers:
    """The needs of the tokenizers of both sides; ``source`` is the source's vocabulary as arranged."""

    checkpoint: Checkpoint
    source: tuple[str, ...]
    end_id: int
    unknown_id: int
    tags: _Tags

    def specify(self) -> tuple[TokenizerSpec, TokenizerSpec, dict[str, bytes]]:
        """Both sides' tokenizers and their files."""
        folder = self.checkpoint.folder
        if (folder / _JSON_FILE).is_file() and self.checkpoint.shares_vocabulary:
            return self._specify_json(folder / _JSON_FILE)
        models = [folder / name for name in _PIECES]
        shared = next((folder / name for name in _SHARED_PIECES if (folder / name).is_file()), None)
        if all(model.is_file() for model in models) or shared is not None:
            return self._specify_pieces(*(models if shared is None else (shared, shared)))
        before, after = self._frame()
        if before:
            raise CheckpointError(
                f"{folder} has add_source_bos=true and no tokenizer beside the model; texts of words have nothing "
                "before them: put the model's tokenizer.json into the folder."
            )
        source = WordTokenizerSpec(file=_SOURCE_FILE, unknown_id=self.unknown_id, after=after)
        target = WordTokenizerSpec(file=_TARGET_FILE, unknown_id=self.unknown_id, after=(self.end_id,))
        return source, target, {}

    def _frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids before and after a source where no tokenizer.json says it."""
        settings = self.checkpoint.settings
        begins = settings.add_source_bos and settings.bos_token in self.source
        before = (self.source.index(str(settings.bos_token)),) if begins else ()
        ends = settings.add_source_eos or _OPENNMT_PAD not in self.checkpoint.source_tokens
        return before, (self.end_id,) if ends else ()

    def _specify_pieces(self, source: Path, target: Path) -> tuple[TokenizerSpec, TokenizerSpec, dict[str, bytes]]:
        before, after = self._frame()
        return (
            SentencePieceSpec(
                file="source.spm",
                vocabulary=_SOURCE_FILE,
                unknown_id=self.unknown_id,
                before=before,
                after=after,
                reads_language_code=self.tags.family == "marian",
            ),
            SentencePieceSpec(
                file="target.spm", vocabulary=_TARGET_FILE, unknown_id=self.unknown_id, after=(self.end_id,)
            ),
            {"source.spm": read_sentencepiece_model(source)[0], "target.spm": read_sentencepiece_model(target)[0]},
        )

    def _specify_json(self, path: Path) -> tuple[TokenizerSpec, TokenizerSpec, dict[str, bytes]]:
        content, processor = _read_json(path)
        self._check_ids(processor, path)
        inner, framed = (processor.encode(_PROBE, add_special_tokens=added).ids for added in (False, True))
        starts = (index for index in range(len(framed)) if framed[index : index + len(inner)] == inner)
        place = next(starts, 0)
        before, after = framed[:place], framed[place + len(inner) :]
        target = TokenizerJsonSpec(
            file=_JSON_FILE,
            vocabulary=_TARGET_FILE,
            unknown_id=self.unknown_id,
            after=(self.end_id,),
            continuing=getattr(processor.model, "continuing_subword_prefix", None) or "",
        )
        frame = {"before": tuple(before), "after": tuple(after) or target.after}
        source = target.model_copy(update={"vocabulary": _SOURCE_FILE, **frame})
        return source, target, {_JSON_FILE: content}

    def _check_ids(self, processor: Tokenizer, path: Path) -> None:
        tokens = self.checkpoint.target_tokens
        for token, token_id in processor.get_vocab().items():
            if token_id >= len(tokens) or tokens[token_id] != token:
                other = repr(tokens[token_id]) if token_id < len(tokens) else f"none of its {len(tokens)} tokens"
                raise CheckpointError(
                    f"The tokenizer {path} has {token!r} as token {token_id}, which is {other} in the model's "
                    "vocabulary: it is not the model's tokenizer."
                )


def _read_json(path: Path) -> tuple[bytes, Tokenizer]:
    content = path.read_bytes()
    try:
        return content, Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises bare exceptions for a damaged file
        raise CheckpointError(f"The tokenizer {path} cannot be read; copy the model again.") from error
