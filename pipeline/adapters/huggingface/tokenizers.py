"""Converting a checkpoint's tokenizer to a form that an exported model runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import (
    AutoTokenizer,
    BlenderbotSmallTokenizer,
    ByT5Tokenizer,
    FSMTTokenizer,
    M2M100Tokenizer,
    MarianTokenizer,
)

from exported_models.contract.manifest import (
    ByteTokenizerSpec,
    MergesSpec,
    SentencePieceSpec,
    TokenizerJsonSpec,
    TokenizerSpec,
)
from pipeline.adapters.huggingface.checkpoint import Checkpoint, first_line, quiet_library
from pipeline.adapters.huggingface.languages import TargetTag, find_tags, place_target_tag
from pipeline.adapters.vocabularies import write_vocabulary
from pipeline.errors import CheckpointError

_VOCABULARY_FILE = "vocabulary.json"
_TARGET_VOCABULARY_FILE = "target_vocabulary.json"
_MERGES_FILE = "merges.json"
_SIDES = ("source", "target")
_PROBE = "a"


@dataclass(frozen=True, slots=True)
class Tokenizers:
    """Both sides' tokenizers with their files and special ids.

    Attributes:
        first_id: token of the target language that the tokenizer is set to, or None.
        tags: id of every language's tag, by code.
        target_tag: place of the target language's tag.
    """

    source: TokenizerSpec
    target: TokenizerSpec
    files: dict[str, bytes]
    pad_id: int
    special_ids: tuple[int, ...]
    first_id: int | None = None
    tags: Mapping[str, int] = field(default_factory=dict)
    target_tag: TargetTag = "source"


def read_tokenizers(checkpoint: Checkpoint, source_vocabulary: int, target_vocabulary: int) -> Tokenizers:
    """Read the tokenizer of a checkpoint.

    Raises:
        CheckpointError: there is none, it is damaged or of a kind that an exported model cannot run, or it has ids
            beyond the model's embeddings.
    """
    tokenizer = _load(checkpoint.folder)
    if isinstance(tokenizer, MarianTokenizer):
        return _read_marian(tokenizer, checkpoint.folder, source_vocabulary, target_vocabulary)
    if isinstance(tokenizer, M2M100Tokenizer):
        return _read_m2m100(tokenizer, checkpoint.folder, source_vocabulary)
    if isinstance(tokenizer, FSMTTokenizer):
        return _read_fsmt(tokenizer, checkpoint.folder, source_vocabulary, target_vocabulary)
    if isinstance(tokenizer, BlenderbotSmallTokenizer):
        return _read_blenderbot_small(tokenizer, checkpoint.folder, source_vocabulary)
    if isinstance(tokenizer, ByT5Tokenizer):
        return _read_byt5(tokenizer, source_vocabulary)
    if getattr(tokenizer, "backend_tokenizer", None) is not None:
        return _read_json(tokenizer, checkpoint.folder, source_vocabulary)
    raise CheckpointError(
        f"The tokenizer in {checkpoint.folder} is a {type(tokenizer).__name__}, which cannot travel inside a model; "
        "supported are Marian's, M2M100's, ByT5's, FSMT's, Blenderbot small's and those with a tokenizer.json."
    )


def _load(folder: Path) -> Any:
    try:
        with quiet_library():
            return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # of many types, the library's and its dependencies'
        reason = first_line(error)
        if reason.endswith(":"):  # a list follows, of ways to make a tokenizer from other files
            reason = "there is no tokenizer.json, nor another vocabulary that it can be made from"
        raise CheckpointError(
            f"The tokenizer in {folder} is missing or damaged ({reason}); copy the checkpoint again."
        ) from error


def _read_marian(tokenizer: Any, folder: Path, source_vocabulary: int, target_vocabulary: int) -> Tokenizers:
    source = _list_tokens(tokenizer.encoder, source_vocabulary, folder)
    target, target_file = source, _VOCABULARY_FILE
    if tokenizer.separate_vocabs:
        target, target_file = _list_tokens(tokenizer.target_encoder, target_vocabulary, folder), _TARGET_VOCABULARY_FILE
    unknown_id, after = int(tokenizer.unk_token_id), (int(tokenizer.eos_token_id),)
    return Tokenizers(
        source=SentencePieceSpec(
            file="source.spm", vocabulary=_VOCABULARY_FILE, unknown_id=unknown_id, after=after, reads_language_code=True
        ),
        target=SentencePieceSpec(file="target.spm", vocabulary=target_file, unknown_id=unknown_id, after=after),
        files={
            "source.spm": (folder / "source.spm").read_bytes(),
            "target.spm": (folder / "target.spm").read_bytes(),
            _VOCABULARY_FILE: write_vocabulary(source),
            target_file: write_vocabulary(target),
        },
        pad_id=int(tokenizer.pad_token_id),
        special_ids=_special_ids(tokenizer),
        tags=find_tags(tokenizer, tokenizer.encoder),
    )


def _read_fsmt(tokenizer: Any, folder: Path, source_vocabulary: int, target_vocabulary: int) -> Tokenizers:
    """A vocabulary for each side, and one list of merges for both."""
    target_ids = {token: token_id for token_id, token in tokenizer.decoder.items()}
    files = {
        _MERGES_FILE: _merges_bytes(tokenizer),
        _VOCABULARY_FILE: write_vocabulary(_list_tokens(tokenizer.encoder, source_vocabulary, folder)),
        _TARGET_VOCABULARY_FILE: write_vocabulary(_list_tokens(target_ids, target_vocabulary, folder)),
    }
    sides = ((tokenizer.src_lang, _VOCABULARY_FILE), (tokenizer.tgt_lang, _TARGET_VOCABULARY_FILE))
    source, target = (
        MergesSpec(
            file=_MERGES_FILE,
            vocabulary=vocabulary,
            words="moses",
            language=language,
            lowercase=bool(tokenizer.do_lower_case),
            unknown_id=tokenizer.unk_token_id,
            end_id=tokenizer.sep_token_id,
        )
        for language, vocabulary in sides
    )
    return Tokenizers(source, target, files, tokenizer.pad_token_id, _special_ids(tokenizer))


def _read_blenderbot_small(tokenizer: Any, folder: Path, vocabulary: int) -> Tokenizers:
    spec = MergesSpec(
        file=_MERGES_FILE,
        vocabulary=_VOCABULARY_FILE,
        words="punctuation",
        unknown_id=tokenizer.unk_token_id,
        end_id=tokenizer.eos_token_id,
    )
    tokens = _list_tokens(tokenizer.get_vocab(), vocabulary, folder)
    files = {_MERGES_FILE: _merges_bytes(tokenizer), _VOCABULARY_FILE: write_vocabulary(tokens)}
    return Tokenizers(spec, spec, files, tokenizer.pad_token_id, _special_ids(tokenizer))


def _merges_bytes(tokenizer: Any) -> bytes:
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    return (json.dumps(merges, ensure_ascii=False, separators=(",", ":")) + "\n").encode("utf-8")


def _read_m2m100(tokenizer: Any, folder: Path, vocabulary: int) -> Tokenizers:
    file = "sentencepiece.bpe.model"
    if Path(tokenizer.spm_file).absolute() != (folder / file).absolute():
        raise CheckpointError(f"The tokenizer in {folder} names a SentencePiece model elsewhere; copy it to {file}.")
    source, target = (
        SentencePieceSpec(
            file=file, vocabulary=_VOCABULARY_FILE, unknown_id=tokenizer.unk_token_id, before=before, after=after
        )
        for before, after in (_find_frame(tokenizer, side) for side in _SIDES)
    )
    return _finish(tokenizer, folder, vocabulary, source, target, Path(tokenizer.spm_file).read_bytes())


def _read_byt5(tokenizer: Any, vocabulary: int) -> Tokenizers:
    names = tuple(tokenizer.convert_ids_to_tokens(range(tokenizer.offset)))
    spec = ByteTokenizerSpec(special_tokens=names, vocabulary_size=vocabulary, end_id=tokenizer.eos_token_id)
    return Tokenizers(spec, spec, {}, tokenizer.pad_token_id, tuple(range(tokenizer.offset)))


def _read_json(tokenizer: Any, folder: Path, vocabulary: int) -> Tokenizers:
    content = tokenizer.backend_tokenizer.to_str()
    continuing = json.loads(content)["model"].get("continuing_subword_prefix") or ""
    source, target = (
        TokenizerJsonSpec(
            file="tokenizer.json",
            vocabulary=_VOCABULARY_FILE,
            unknown_id=tokenizer.unk_token_id,
            before=before,
            after=after,
            continuing=continuing,
        )
        for before, after in (_find_frame(tokenizer, side) for side in _SIDES)
    )
    return _finish(tokenizer, folder, vocabulary, source, target, content.encode("utf-8"))


def _finish(
    tokenizer: Any,
    folder: Path,
    vocabulary: int,
    source: SentencePieceSpec | TokenizerJsonSpec,
    target: SentencePieceSpec | TokenizerJsonSpec,
    content: bytes,
) -> Tokenizers:
    """Tokenizers whose two sides run the same file."""
    # M2M100's tokenizer leaves the tags of languages out of its vocabulary.
    tags = {
        token: token_id
        for token, token_id in getattr(tokenizer, "lang_token_to_id", {}).items()
        if token_id < vocabulary
    }
    tokens = _list_tokens({**tokenizer.get_vocab(), **tags}, vocabulary, folder)
    language = _target_language(tokenizer)
    known = language is not None
    return Tokenizers(
        source=source,
        target=target,
        files={source.file: content, _VOCABULARY_FILE: write_vocabulary(tokens)},
        pad_id=tokenizer.pad_token_id,
        special_ids=tuple(sorted({*_special_ids(tokenizer), *tags.values()})),
        first_id=target.before[0] if language and target.before else None,
        tags=find_tags(tokenizer, {token: token_id for token_id, token in enumerate(tokens)}) if known else {},
        target_tag=place_target_tag(tokenizer),
    )


def _find_frame(tokenizer: Any, side: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that the tokenizer puts before and after a text; a target ends with its end of sentence.

    Gemma's tokenizer puts one token before and none after: that of the start, which no target has of its own.
    """
    end_id = tokenizer.sep_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
    if side == "target" and _target_language(tokenizer) == "":
        return (), (end_id,)
    argument = {"text_target" if side == "target" else "text": _PROBE}
    inner = tokenizer(**argument, add_special_tokens=False)["input_ids"]
    framed = tokenizer(**argument)["input_ids"]
    start = next(index for index in range(len(framed)) if framed[index : index + len(inner)] == inner)
    before, after = framed[:start], framed[start + len(inner) :]
    if side == "target":
        return tuple(before if after else ()), (end_id,)
    if not before and not after:
        after = [end_id]
    return tuple(before), tuple(after)


def _target_language(tokenizer: Any) -> str | None:
    """The target language that a tokenizer is set to, empty if none is set; None if it knows no languages."""
    return (tokenizer.tgt_lang or "") if hasattr(tokenizer, "tgt_lang") else None


def _list_tokens(ids: dict[str, int], size: int, folder: Path) -> tuple[str, ...]:
    """The token of every id below ``size``; an id without a token gets a made-up one."""
    largest = max(ids.values(), default=-1)
    if largest >= size:
        raise CheckpointError(
            f"The tokenizer in {folder} has tokens up to the id {largest}, but the model has only {size} embeddings."
        )
    by_id = {token_id: token for token, token_id in ids.items()}
    return tuple(by_id.get(token_id, f"<unused {token_id}>") for token_id in range(size))


def _special_ids(tokenizer: Any) -> tuple[int, ...]:
    return tuple(sorted(set(tokenizer.all_special_ids)))
