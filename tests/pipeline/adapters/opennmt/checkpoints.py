"""Checkpoints as OpenNMT-py's training writes them, of small models trained for some seconds to normalize dates."""

from __future__ import annotations

import argparse
import datetime
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.pipeline.adapters.opennmt.modules import PAD, Recurrent, Shape, Transformer

SPECIAL = ("<unk>", "<blank>", "<s>", "</s>")
FORMS = ("%d.%m.%Y", "%B %d %Y", "%Y/%m/%d")
SPACE = "▁"
_MONTHS = "January February March April May June July August September October November December"
SOURCE_TOKENS = (*SPECIAL, SPACE, *"./0123456789", *sorted(set(_MONTHS) - {" "}))
TARGET_TOKENS = (*SPECIAL, *"-0123456789")

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "lstm": {},
    "gru": {"rnn": "GRU", "layers": 1, "bidirectional": False, "attention": "mlp", "bridge": True},
    "unfed": {"fed": False, "attention": "dot", "bridge": True},
    "no attention": {"rnn": "GRU", "fed": False, "attention": "none"},
    "transformer": {"rnn": ""},
    "gated": {"rnn": "", "activation": "silu", "norm": "rms", "biased": False},
}


def make_pairs(count: int) -> list[tuple[list[str], list[str]]]:
    """Dates as source and target tokens, a character a token."""
    generator = random.Random(5)
    days = [datetime.date(1990, 1, 1) + datetime.timedelta(generator.randrange(14_000)) for _ in range(count)]
    texts = [(day.strftime(generator.choice(FORMS)).replace(" ", SPACE), day.isoformat()) for day in days]
    return [(list(source), list(target)) for source, target in texts]


@cache
@torch.inference_mode(mode=False)
@torch.enable_grad()
def train_model(name: str, steps: int) -> nn.Module:
    """A model of one of `SHAPES`, trained for so many batches of 64 dates; not to be changed."""
    torch.manual_seed(4)
    shape = Shape(len(SOURCE_TOKENS), len(TARGET_TOKENS), **SHAPES[name])
    model = Recurrent(shape) if shape.rnn else Transformer(shape)
    pairs = make_pairs(2000)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.006)
    for step in range(steps):
        batch = pairs[step * 64 % 1900 :][:64]
        source = pad([number(tokens, SOURCE_TOKENS) for tokens, _ in batch])
        targets = [[*number(tokens, TARGET_TOKENS), 3] for _, tokens in batch]
        log_probs = model(source, pad([[2, *target[:-1]] for target in targets]))
        loss = nn.functional.nll_loss(log_probs.flatten(0, 1), pad(targets).flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()


def number(tokens: list[str], vocabulary: tuple[str, ...]) -> list[int]:
    return [vocabulary.index(token) for token in tokens]


def pad(rows: list[list[int]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])


def make_options(shape: Shape, version: int = 3, **more: Any) -> argparse.Namespace:
    """The options of a training, those that OpenNMT-py 2 or 3 records; ``more`` are others."""
    recurrent = {
        "encoder_type": "brnn" if shape.bidirectional else "rnn",
        "decoder_type": "rnn",
        "rnn_type": shape.rnn,
        "input_feed": int(shape.fed),
        "bridge": shape.bridge,
        "global_attention": shape.attention,
        "global_attention_function": "softmax",
        "context_gate": None,
        "position_encoding": False,
    }
    attending = {
        "encoder_type": "transformer",
        "decoder_type": "transformer",
        "heads": Transformer.HEADS,
        "position_encoding": True,
        "pos_ffn_activation_fn": shape.activation,
        "layer_norm": shape.norm,
        "self_attn_type": "scaled-dot",
        "max_relative_positions": 0,
    }
    size = "enc_rnn_size" if version == 2 else "enc_hid_size"
    common = {"enc_layers": shape.layers, "dec_layers": shape.layers, "copy_attn": False, "model_type": "text"}
    training = {"dropout": [0.3], "optim": "adam", "data": {"corpus": {"path_src": "train.src"}}}
    kind = recurrent if shape.rnn else attending
    return argparse.Namespace(**{**common, **kind, **training, size: shape.size, "_all_transform": set(), **more})


def make_content(model: nn.Module, version: int = 3, **options: Any) -> dict[str, Any]:
    """Content of a checkpoint file."""
    shape = model.shape
    assert isinstance(shape, Shape)
    state = model.state_dict()
    generator = {name.removeprefix("generator."): state.pop(name) for name in list(state) if "generator" in name}
    prefix = "0." if version == 2 else ""
    return {
        "model": state,
        "generator": {prefix + name: tensor for name, tensor in generator.items()},
        "vocab": {
            "src": list(SOURCE_TOKENS),
            "tgt": list(TARGET_TOKENS),
            "data_task": "seq2seq",
            "decoder_start_token": "<s>",
        },
        "opt": make_options(shape, version, **options),
        "optim": {"training_step": 3, "optimizer": {"state": {}, "param_groups": []}},
    }


def save_checkpoint(path: Path, content: dict[str, Any]) -> Path:
    torch.save(content, path)
    return path
