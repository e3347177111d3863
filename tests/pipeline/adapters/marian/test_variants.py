"""Every kind of native Marian model computes what Marian computes, from weights in every form."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.adapters import load_adapter
from pipeline.adapters.marian.weights import read_weights
from pipeline.models.checkpoint import LoadedCheckpoint
from tests.pipeline.adapters.marian.stepping import force_in_steps
from tests.pipeline.adapters.marian.tiny_models import (
    OPTIONS,
    SSRU,
    Pack,
    make_tensors,
    pack_binary,
    pack_npz,
    save_tiny_model,
)
from tests.pipeline.encoded_states import list_states

SOURCE, TARGET = (11, 12, 40, 33, 14, 15, 0), (41, 42, 7, 43, 21, 0)
TOLERANCE = 1e-4
PRENORM = {"transformer_preprocess": "n", "transformer_postprocess": "da", "transformer_postprocess_top": "n"}
RECURRENT = {name.replace("-", "_"): value for name, value in SSRU.items()}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "self-attention": {},
    "SSRU": RECURRENT,
    "SSRU, projected, norm first": {**RECURRENT, **PRENORM, "transformer_rnn_projection": True},
    "norm first": {**PRENORM, "transformer_postprocess_emb": "nd"},
    "gelu": {"transformer_ffn_activation": "gelu"},
    "older gelu": {"transformer_ffn_activation": "gelu", "version": "v1.9.56 94aeaa46 2021-04-28"},
    "deep": {"transformer_ffn_depth": 4, "transformer_decoder_ffn_depth": 3},
    "target tied": {"tied_embeddings_all": False, "tied_embeddings": True},
    "sides tied": {"tied_embeddings_all": False, "tied_embeddings_src": True},
    "nothing tied": {"tied_embeddings_all": False},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=list(VARIANTS))
def test_a_model_computes_what_marian_computes(changes: Mapping[str, Any], tmp_path: Path) -> None:
    source = load_adapter("marian").load(save_tiny_model(tmp_path, **changes))

    _assert_computes_as_reference(source)


@torch.inference_mode()
def _assert_computes_as_reference(source: LoadedCheckpoint) -> None:
    found = force_in_steps(source, SOURCE, TARGET)
    wanted = source.reference.force(SOURCE, TARGET)
    assert wanted.attention is not None
    for name, values in {
        **list_states(source, wanted),
        "cross_attention": wanted.attention,
        "scored_log_probs": wanted.log_probs,
    }.items():
        np.testing.assert_allclose(found[name].numpy(), values, atol=TOLERANCE, rtol=0, err_msg=name)


def test_the_context_of_another_layer_can_be_chosen(tmp_path: Path) -> None:
    source = load_adapter("marian").load(save_tiny_model(tmp_path, **RECURRENT))
    assert source.choose_context is not None
    last = source.reference.force(SOURCE, TARGET).states["context"]

    first = source.choose_context(0)

    _assert_computes_as_reference(first)
    assert np.abs(first.reference.force(SOURCE, TARGET).states["context"] - last).max() > 0.01


def test_what_only_an_activation_tells_apart_differs(tmp_path: Path) -> None:
    """The approximation by a sigmoid that older versions had is another function, and far from rounding."""
    exact, older = (
        load_adapter("marian").load(save_tiny_model(tmp_path / name, **VARIANTS[name]))
        for name in ("gelu", "older gelu")
    )

    gap = np.abs(exact.reference.force(SOURCE, TARGET).log_probs - older.reference.force(SOURCE, TARGET).log_probs)

    assert gap.max() > 10 * TOLERANCE


FORMS: Mapping[str, tuple[str, Pack, float]] = {
    "float32": ("model.bin", pack_binary, 0.0),
    "float16": ("model.bin", partial(pack_binary, float_kind=0x402), 2e-3),
    "intgemm8 of Bergamot": ("model.intgemm.alphas.bin", partial(pack_binary, quantized_kind=0x4101), 0.5 / 127),
    "intgemm8 of Marian": ("model.bin", partial(pack_binary, quantized_kind=0x10001), 0.5 / 127),
    "intgemm16": ("model.bin", partial(pack_binary, quantized_kind=0x4102), 0.5 / 32767),
}


@pytest.mark.parametrize(("name", "pack", "error"), FORMS.values(), ids=list(FORMS))
def test_every_form_holds_the_same_weights(name: str, pack: Pack, error: float, tmp_path: Path) -> None:
    """Up to half a step of rounding to integers, and what half precision loses."""
    tensors = make_tensors(OPTIONS)
    (tmp_path / name).write_bytes(pack(tensors, OPTIONS))

    found = read_weights(tmp_path / name)

    assert found.options == OPTIONS
    assert found.tensors.keys() == tensors.keys()
    for key, wanted in tensors.items():
        assert np.abs(found.tensors[key] - wanted).max() <= error * np.abs(wanted).max() * 1.01, key


def test_an_archive_holds_the_same_weights(tmp_path: Path) -> None:
    tensors = make_tensors(OPTIONS)
    (tmp_path / "model.npz").write_bytes(pack_npz(tensors, OPTIONS))

    found = read_weights(tmp_path / "model.npz")

    assert not found.is_quantized
    assert all(np.array_equal(found.tensors[name], value) for name, value in tensors.items())


def test_each_side_may_have_a_vocabulary_of_its_own(tmp_path: Path) -> None:
    """Found by their names where no settings name them, the source's first."""
    folder = save_tiny_model(tmp_path, **VARIANTS["nothing tied"])
    (folder / "decoder.yml").unlink()
    (folder / "vocab.spm").rename(folder / "trgvocab.spm")
    (folder / "srcvocab.spm").write_bytes((folder / "trgvocab.spm").read_bytes())

    source = load_adapter("marian").load(folder / "model.npz")

    assert (source.source_vocabulary, source.target_vocabulary) == (56, 57)
    assert source.start_id == 56
    assert source.generation.beam_size == 5
    _assert_computes_as_reference(source)
