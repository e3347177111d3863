"""Tiny models as CTranslate2's own converters write them, and the engine that runs them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from sentencepiece import SentencePieceProcessor

from exported_models.contract.manifest import GenerationDefaults
from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.models.checkpoint import ReferenceHypothesis
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tagged_checkpoint, save_tiny_checkpoint
from tests.pipeline.adapters.marian.tiny_models import Arrays, pack_npz, save_tiny_model, train_vocabulary

# It has no types worth checking.
library: Any = ctranslate2

FOLDERS = {
    "bart": None,
    "flan-t5": "int16",
    "marian": "int8",
    "nllb": "float16",
    "umt5": "bfloat16",
}
"""Models and the types that their weights are stored in; None for float32."""
_OF_BART = {"vocab_size": 80, "normalize_before": False, "normalize_embedding": True}
"""CTranslate2 wants as many tokens as embeddings, and settings that older configurations had."""


def save_folder(model: str, folder: Path) -> Path:
    """Convert a model; NLLB's tokenizer and Marian's SentencePiece models go with it."""
    work = folder.with_name(f"{folder.name}-checkpoint")
    if model == "marian":
        return _convert_marian(work, folder)
    if model == "nllb":
        save_tagged_checkpoint("nllb", work)
    else:
        save_tiny_checkpoint(model, work, changes=_OF_BART if model == "bart" else None)
    with quiet_library():
        library.converters.TransformersConverter(
            str(work), copy_files=["tokenizer.json"] if model == "nllb" else None
        ).convert(str(folder), quantization=FOLDERS[model])
    return folder


def _convert_marian(work: Path, folder: Path) -> Path:
    options: dict[str, Any] = {
        "transformer_no_projection": False,
        "transformer_decoder_autoreg": "self-attention",
        "transformer_guided_alignment_layer": "last",
    }
    save_tiny_model(work, pack=_pack_short, **options)
    pieces = SentencePieceProcessor(model_proto=train_vocabulary())
    listed = (json.dumps(pieces.id_to_piece(index), ensure_ascii=False) for index in range(pieces.get_piece_size()))
    vocabulary = work / "vocab.yml"
    vocabulary.write_text("".join(f"{token}: {index}\n" for index, token in enumerate(listed)), encoding="utf-8")
    converter = library.converters.MarianConverter(str(work / "model.npz"), [str(vocabulary)] * 2)
    converter.convert(str(folder), quantization=FOLDERS["marian"])
    for side in ("source", "target"):
        shutil.copy(work / "vocab.spm", folder / f"{side}.spm")
    return folder


def _pack_short(tensors: Arrays, options: Mapping[str, Any]) -> bytes:
    """A model whose targets end soon, so that searches of it are short."""
    bias = tensors["decoder_ff_logit_out_b"].copy()
    bias[0, 0] += 3
    return pack_npz({**tensors, "decoder_ff_logit_out_b": bias}, options)


@dataclass(frozen=True, slots=True)
class Peer:
    """A folder as CTranslate2 runs it in float32; ``adds_end`` says that it ends sources itself."""

    translator: Any
    tokens: list[str]
    adds_end: bool

    def score(self, source: Sequence[int], target: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Log-probabilities of a target, whose end of sentence CTranslate2 adds."""
        answer = self.translator.score_batch([self._read(source)], [self._name(target[:-1])])[0]
        return np.array(answer.log_probs)

    def search(self, source: Sequence[int], settings: GenerationDefaults) -> list[ReferenceHypothesis]:
        """The n-best list of CTranslate2's own beam search."""
        answer = self.translator.translate_batch(
            [self._read(source)],
            beam_size=settings.beam_size,
            num_hypotheses=settings.beam_size,
            length_penalty=settings.length_penalty,
            max_decoding_length=settings.max_length,
            min_decoding_length=0,
            return_scores=True,
            return_end_token=True,
        )[0]
        rows = (tuple(map(self.tokens.index, hypothesis)) for hypothesis in answer.hypotheses)
        return [ReferenceHypothesis(ids, score) for ids, score in zip(rows, answer.scores, strict=True)]

    def _read(self, source: Sequence[int]) -> list[str]:
        return self._name(source[:-1] if self.adds_end else source)

    def _name(self, ids: Sequence[int]) -> list[str]:
        return [self.tokens[token_id] for token_id in ids]


def open_peer(folder: Path) -> Peer:
    tokens = json.loads((folder / "shared_vocabulary.json").read_text(encoding="utf-8"))
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    translator = library.Translator(str(folder), compute_type="float32", intra_threads=1)
    return Peer(translator, tokens, settings["add_source_eos"])
