"""One SentencePiece vocabulary for both languages, laid out as opus-mt models have it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import transformers

from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.errors import CorpusError

END, UNKNOWN, PAD = "</s>", "<unk>", "<pad>"
"""The first, the second and the last id."""
_SENTENCEPIECE_SPECIALS = ("<unk>", "<s>", "</s>")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A SentencePiece model and the id of each of its pieces."""

    processor: sentencepiece.SentencePieceProcessor
    ids: dict[str, int]

    @property
    def size(self) -> int:
        return len(self.ids)

    @property
    def end_id(self) -> int:
        return self.ids[END]

    @property
    def pad_id(self) -> int:
        return self.ids[PAD]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of every text, end of sentence included."""
        unknown = self.ids[UNKNOWN]
        pieces: list[list[str]] = self.processor.encode(list(texts), out_type=str)
        return [[*(self.ids.get(piece, unknown) for piece in listed), self.end_id] for listed in pieces]


def train_vocabulary(texts: Iterable[str], size: int) -> Vocabulary:
    """Train a unigram model (Kudo 2018) on the texts of both languages; its pieces and the padding are ``size`` ids.

    Equal texts give equal vocabularies.

    Raises:
        CorpusError: there is too little text for so many pieces.
    """
    content = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(texts),
            model_writer=content,
            vocab_size=size,
            character_coverage=1.0,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).rpartition("] ")[2].rstrip(".")
        raise CorpusError(f"The corpus cannot fill a vocabulary of {size:,}: {reason}.") from error
    processor = sentencepiece.SentencePieceProcessor(model_proto=content.getvalue())
    pieces = (processor.id_to_piece(number) for number in range(processor.get_piece_size()))
    ordinary = [piece for piece in pieces if piece not in _SENTENCEPIECE_SPECIALS]
    return Vocabulary(processor, {piece: number for number, piece in enumerate([END, UNKNOWN, *ordinary, PAD])})


def save_vocabulary(vocabulary: Vocabulary, folder: Path, source_language: str, target_language: str) -> None:
    """Write ``source.spm``, ``target.spm``, ``vocab.json`` and ``tokenizer_config.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    models = {side: folder / f"{side}.spm" for side in ("source", "target")}
    for path in models.values():
        path.write_bytes(vocabulary.processor.serialized_model_proto())
    listed = folder / "vocab.json"
    listed.write_text(json.dumps(vocabulary.ids, ensure_ascii=False, indent=1), encoding="utf-8")
    library: Any = transformers
    with quiet_library():
        tokenizer = library.MarianTokenizer(
            source_spm=str(models["source"]),
            target_spm=str(models["target"]),
            vocab=str(listed),
            source_lang=source_language,
            target_lang=target_language,
        )
        tokenizer.save_pretrained(str(folder))


def _lines(texts: Iterable[str]) -> Iterator[str]:
    return (text.strip() for text in texts)
