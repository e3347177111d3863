"""Tiny native Marian models with random weights, written as Marian writes them, and a vocabulary of their own."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from sentencepiece import SentencePieceTrainer

Arrays = Mapping[str, NDArray[np.float32]]

TEXTS = (
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen liquor jugs",
    "how vexingly quick daft zebras jump",
    "sphinx of black quartz, judge my vow",
    "the five boxing wizards jump quickly",
)
VOCABULARY = 56
SIZE, INNER = 24, 20
OPTIONS: Mapping[str, Any] = {
    "type": "transformer",
    "version": "v1.12.43",
    "dim-emb": SIZE,
    "enc-depth": 2,
    "dec-depth": 3,
    "transformer-heads": 4,
    "transformer-ffn-activation": "swish",
    "transformer-preprocess": "",
    "transformer-postprocess": "dan",
    "transformer-postprocess-emb": "d",
    "transformer-postprocess-top": "",
    "tied-embeddings-all": True,
}
SSRU: Mapping[str, Any] = {
    "transformer-decoder-autoreg": "rnn",
    "dec-cell": "ssru",
    "layer-normalization": False,
    "transformer-ffn-activation": "relu",
}
DECODER: Mapping[str, Any] = {"beam-size": 3, "normalize": 0.6, "word-penalty": 0, "max-length-factor": 2.5}


def make_tensors(options: Mapping[str, Any], vocabulary: int = VOCABULARY) -> dict[str, NDArray[np.float32]]:
    """Random weights under Marian's names for a model of those options."""
    generator = np.random.default_rng(7)
    return {
        name: (generator.normal(size=shape, scale=_scale(name)) + ("_ln_scale" in name)).astype(np.float32)
        for name, shape in _list_shapes(options, vocabulary)
    }


def _scale(name: str) -> float:
    return 0.35 if "_W" in name or name == "Wemb" else 0.1


def _list_shapes(options: Mapping[str, Any], vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    shared = options.get("tied-embeddings-all") or options.get("tied-embeddings-src")
    for table in ("Wemb",) if shared else ("encoder_Wemb", "decoder_Wemb"):
        yield table, (vocabulary, SIZE)
    if not options.get("tied-embeddings-all") and not options.get("tied-embeddings"):
        yield "decoder_ff_logit_out_Wt", (vocabulary, SIZE)
    yield "decoder_ff_logit_out_b", (1, vocabulary)
    for index in range(1, options["enc-depth"] + 1):
        yield from _list_attention(options, f"encoder_l{index}_self")
        yield from _list_feed_forward(options, f"encoder_l{index}_ffn")
    for index in range(1, options["dec-depth"] + 1):
        is_recurrent = options.get("transformer-decoder-autoreg") == "rnn"
        past = _list_ssru if is_recurrent else _list_attention
        yield from past(options, f"decoder_l{index}_rnn" if is_recurrent else f"decoder_l{index}_self")
        yield from _list_attention(options, f"decoder_l{index}_context")
        yield from _list_feed_forward(options, f"decoder_l{index}_ffn")
    for option, place, suffix in (("emb", "emb", "_pre"), ("top", "top", "")):
        if "n" in options[f"transformer-postprocess-{option}"]:
            for stack in ("encoder", "decoder"):
                yield from _list_norm(f"{stack}_{place}", suffix)


def _list_attention(options: Mapping[str, Any], name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for kind in "qkvo":
        yield from ((f"{name}_W{kind}", (SIZE, SIZE)), (f"{name}_b{kind}", (1, SIZE)))
    yield from _list_norm(f"{name}_Wo", _place(options))


def _list_ssru(options: Mapping[str, Any], name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from ((f"{name}_W", (SIZE, SIZE)), (f"{name}_Wf", (SIZE, SIZE)), (f"{name}_bf", (1, SIZE)))
    if options.get("transformer-rnn-projection"):
        yield from ((f"{name}_Wo", (SIZE, SIZE)), (f"{name}_bo", (1, SIZE)))
    yield from _list_norm(name if _place(options) else f"{name}_ffn", _place(options))


def _list_feed_forward(options: Mapping[str, Any], name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    depth = options.get("transformer-ffn-depth", 2)
    if name.startswith("decoder"):
        depth = options.get("transformer-decoder-ffn-depth", 0) or depth
    sizes = [SIZE, *[INNER] * (depth - 1), SIZE]
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        yield from ((f"{name}_W{number}", (inputs, outputs)), (f"{name}_b{number}", (1, outputs)))
    yield from _list_norm(f"{name}_ffn", _place(options))


def _list_norm(name: str, place: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from ((f"{name}_ln_scale{place}", (1, SIZE)), (f"{name}_ln_bias{place}", (1, SIZE)))


def _place(options: Mapping[str, Any]) -> str:
    return "_pre" if "n" in options["transformer-preprocess"] else ""


def pack_npz(tensors: Arrays, options: Mapping[str, Any]) -> bytes:
    """A ``model.npz``."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {**tensors, "special:model.yml": np.frombuffer(_pack_options(options), np.int8)}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def pack_binary(
    tensors: Arrays, options: Mapping[str, Any], *, quantized_kind: int | None = None, float_kind: int = 0x404
) -> bytes:
    """A ``model.bin``: matrices as integers of a kind of Marian's, or everything in floats of one."""
    items = [_pack_item(name, value, quantized_kind, float_kind) for name, value in tensors.items()]
    if quantized_kind is not None:
        # As marian-conv leaves the multipliers of activations in a model that was measured for them.
        items.append(("Wemb_QuantMultA", 0x404, (1, 1), np.float32(31.0).tobytes()))
    content = _pack_options(options)
    items.append(("special:model.yml", 0x101, (len(content),), content))
    names = [name.encode() + b"\0" for name, *_ in items]
    data = [content + b"\0" * (-len(content) % 256) for *_, content in items]
    headers = [
        struct.pack("<QQQQ", len(name), kind, len(shape), len(content))
        for name, (_, kind, shape, _), content in zip(names, items, data, strict=True)
    ]
    shapes = [struct.pack(f"<{len(shape)}i", *shape) for _, _, shape, _ in items]
    head = struct.pack("<QQ", 1, len(items)) + b"".join((*headers, *names, *shapes))
    gap = -(len(head) + 8) % 256
    return head + struct.pack("<Q", gap) + b"\0" * gap + b"".join(data)


def _pack_item(
    name: str, value: NDArray[np.float32], quantized_kind: int | None, float_kind: int
) -> tuple[str, int, tuple[int, ...], bytes]:
    if quantized_kind is None or ("_W" not in name and name != "Wemb") or "_ln_" in name:
        floats = value.astype({0x402: np.float16, 0x404: np.float32}[float_kind])
        return name, float_kind, value.shape, floats.tobytes()
    width, largest = (np.int8, 127.0) if quantized_kind & 0xFF == 1 else (np.int16, 32767.0)
    multiplier = np.float32(largest / np.abs(value).max())
    by_output = value if "Wemb" in name else value.T
    integers = np.rint(by_output * multiplier).astype(width)
    return name, quantized_kind, value.shape, integers.tobytes() + multiplier.tobytes()


def _pack_options(options: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(dict(options)).encode() + b"\0"


@cache
def train_vocabulary(size: int = VOCABULARY) -> bytes:
    """A SentencePiece model with Marian's ids: 0 ends a sentence, 1 is unknown."""
    content = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=content,
        vocab_size=size,
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        minloglevel=2,
    )
    return content.getvalue()


Pack = Callable[[Arrays, Mapping[str, Any]], bytes]


def save_tiny_model(folder: Path, name: str = "model.npz", pack: Pack = pack_npz, **changes: Any) -> Path:
    """Write a model, its vocabulary and what decoding is set to; ``changes`` are of its options."""
    options = {**OPTIONS, **{key.replace("_", "-"): value for key, value in changes.items()}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pack(make_tensors(options), options))
    (folder / "vocab.spm").write_bytes(train_vocabulary())
    settings = {"models": [name], "vocabs": ["vocab.spm", "vocab.spm"], **DECODER}
    (folder / "decoder.yml").write_text(yaml.safe_dump(settings))
    return folder
