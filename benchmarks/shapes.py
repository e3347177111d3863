"""Checkpoints in the shapes of published models, with random weights: time and memory depend on the shape alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from pipeline.adapters.huggingface.checkpoint import quiet_library

# Its classes have no types worth checking.
library: Any = transformers

_COMPLETE = "complete"
"""Written last, so that a checkpoint that was cut off is written again."""
_LETTERS = ("\u2581", *"abcdefghijklmnopqrstuvwxyz")
_LANGUAGES: Final = 202


@dataclass(frozen=True, slots=True)
class Shape:
    """A published model's sizes.

    Attributes:
        parameters: their number, in millions.
        family: prefix of the library's class of the configuration.
        settings: the configuration.
        write_tokenizer: writes a tokenizer of no more tokens than the model has embeddings.
    """

    parameters: int
    family: str
    settings: Mapping[str, Any]
    write_tokenizer: Callable[[Path], None]

    @property
    def bytes(self) -> int:
        """Size of the weights in float32."""
        return 4_000_000 * self.parameters


def _write_bytes(folder: Path) -> None:
    """ByT5's tokenizer, which needs no vocabulary."""
    library.ByT5Tokenizer().save_pretrained(folder)


def _write_letters(folder: Path, special: tuple[str, ...] = ("<pad>", "</s>", "<unk>")) -> None:
    """A tokenizer of letters, whose special tokens have these ids; the model's other tokens have no name."""
    tokens = {token: index for index, token in enumerate((*special, *_LETTERS))}
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    library.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)


def _write_bart(folder: Path) -> None:
    _write_letters(folder, ("<s>", "<pad>", "</s>", "<unk>"))


def _write_marian(folder: Path) -> None:
    """The pad token is the last of a published vocabulary; here it is the last that has a name."""
    _write_letters(folder, ("</s>", "<unk>", "<pad>"))


def _write_nllb(folder: Path) -> None:
    """NLLB's own kind of tokenizer: 256,001 pieces and 202 languages."""
    pieces = ("<s>", "<pad>", "</s>", "<unk>", *_LETTERS)
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    vocabulary |= {f"piece{index}": index for index in range(len(pieces), 256_001)}
    codes = ["eng_Latn", "deu_Latn", *(f"x{number:02d}_Latn" for number in range(_LANGUAGES - 2))]
    library.NllbTokenizer(
        vocab=vocabulary, merges=[], src_lang="eng_Latn", tgt_lang="deu_Latn", extra_special_tokens=codes
    ).save_pretrained(folder)


def _like_t5(**sizes: Any) -> Mapping[str, Any]:
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    return {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, **ids, **sizes}


def _like_bart(layers: int, size: int, heads: int, feed_forward: int, **settings: Any) -> Mapping[str, Any]:
    stacks = {
        f"{owner}_{name}": value
        for owner in ("encoder", "decoder")
        for name, value in (("layers", layers), ("attention_heads", heads), ("ffn_dim", feed_forward))
    }
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
    return {"d_model": size, **stacks, **ids, **settings}


def _like_marian(size: int, heads: int, feed_forward: int, **settings: Any) -> Mapping[str, Any]:
    ids = {"eos_token_id": 0, "pad_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": 0}
    sizes = _like_bart(6, size, heads, feed_forward, scale_embedding=True, max_position_embeddings=512)
    return {**sizes, **ids, **settings}


SHAPES: Final[Mapping[str, Shape]] = {
    "t5-small": Shape(
        61,
        "T5",
        _like_t5(
            vocab_size=32128, d_model=512, d_ff=2048, num_layers=6, feed_forward_proj="relu", tie_word_embeddings=True
        ),
        _write_letters,
    ),
    "opus-mt": Shape(
        74, "Marian", _like_marian(512, 8, 2048, vocab_size=58101, activation_function="swish"), _write_marian
    ),
    "opus-mt-big": Shape(
        231, "Marian", _like_marian(1024, 16, 4096, vocab_size=53017, activation_function="relu"), _write_marian
    ),
    "flan-t5-base": Shape(
        248, "T5", _like_t5(vocab_size=32128, d_model=768, d_ff=2048, num_layers=12, num_heads=12), _write_letters
    ),
    "byt5-small": Shape(
        300,
        "T5",
        _like_t5(vocab_size=384, d_model=1472, d_ff=3584, num_layers=12, num_decoder_layers=4, num_heads=6),
        _write_bytes,
    ),
    "bart-large": Shape(
        406, "Bart", _like_bart(12, 1024, 16, 4096, vocab_size=50265, activation_function="gelu"), _write_bart
    ),
    "m2m100-418m": Shape(
        484,
        "M2M100",
        _like_bart(12, 1024, 16, 4096, vocab_size=128112, activation_function="relu", scale_embedding=True),
        _write_bart,
    ),
    "pegasus-large": Shape(
        571,
        "Pegasus",
        {
            **_like_bart(16, 1024, 16, 4096, vocab_size=96103, activation_function="relu"),
            "scale_embedding": True,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "decoder_start_token_id": 0,
        },
        _write_letters,
    ),
    "byt5-base": Shape(
        582,
        "T5",
        _like_t5(vocab_size=384, d_model=1536, d_ff=3968, num_layers=18, num_decoder_layers=6, num_heads=12),
        _write_bytes,
    ),
    "mt5-base": Shape(
        582, "MT5", _like_t5(vocab_size=250112, d_model=768, d_ff=2048, num_layers=12, num_heads=12), _write_letters
    ),
    "mbart-50": Shape(
        611,
        "MBart",
        _like_bart(12, 1024, 16, 4096, vocab_size=250054, activation_function="relu", scale_embedding=True),
        _write_bart,
    ),
    "nllb-600m": Shape(
        615,
        "M2M100",
        _like_bart(12, 1024, 16, 4096, vocab_size=256206, activation_function="relu", scale_embedding=True),
        _write_nllb,
    ),
    "flan-t5-large": Shape(
        783, "T5", _like_t5(vocab_size=32128, d_model=1024, d_ff=2816, num_layers=24, num_heads=16), _write_letters
    ),
}
"""By name, from the smallest to the largest."""


def write_shape(name: str, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Write the checkpoint of a shape into ``folder``, unless it is there; return its place."""
    place = folder / (name if dtype == torch.float32 else f"{name}-{str(dtype).removeprefix('torch.')}")
    if not (place / _COMPLETE).is_file():
        shutil.rmtree(place, ignore_errors=True)
        _write(SHAPES[name], place, dtype)
        (place / _COMPLETE).write_text(json.dumps(name), encoding="utf-8")
    return place


def _write(shape: Shape, place: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    config = getattr(library, f"{shape.family}Config")(**shape.settings)
    with quiet_library():
        model = library.AutoModelForSeq2SeqLM.from_config(config)
        if not shape.settings.get("tie_word_embeddings", True):
            _untie(model)
        model.generation_config.update(num_beams=4, max_length=128)
        model.to(dtype).save_pretrained(place)
    shape.write_tokenizer(place)


def _untie(model: Any) -> None:
    """Give the last projection weights of its own: the library ties those of every T5 that it makes anew."""
    tied = model.lm_head.weight
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(tied) / tied.shape[1] ** 0.5)
