"""Every family computes what the library computes: states, attention and log-probabilities, ragged batches, steps."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from exported_models.contract.manifest import load_model_manifest
from exported_models.contract.workspace import Workspace
from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.reference import HuggingFaceReference
from pipeline.export.checkpoints import export_model
from pipeline.graphs.modules import EncoderGraph, ForcedGraph, SelfAttentionGraph, StepGraph
from pipeline.models.checkpoint import LoadedCheckpoint, ReferenceSentence
from pipeline.parity.outputs import ATTENTION, LOG_PROBS, name_states
from pipeline.parity.rounding import find_bounds, measure_rounding
from pipeline.parity.sample import SamplePair
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.huggingface.tiny_checkpoints import FAMILIES, save_tiny_checkpoint
from tests.pipeline.encoded_states import check_states, list_states

SOURCES = ((11, 12, 13, 14, 15, 2), (21, 2), (*range(30, 55), 2))
TARGETS = ((41, 42, 43, 2), (51, 2), (*range(20, 40), 2))
TOLERANCE = 1e-4
BATCH_TOLERANCE = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# Every kind of norm, position and activation is in one of these.
QUICK = ("bert2bert", "blenderbot-small", "fsmt", "longt5-blocks", "m2m100", "marian", "t5gemma", "umt5")


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in sorted(FAMILIES)],
)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    folder = save_tiny_checkpoint(request.param, tmp_path_factory.mktemp(request.param))
    return load_adapter("huggingface").load(folder)


@pytest.fixture(scope="module")
def roundings(source: LoadedCheckpoint) -> Mapping[str, float]:
    """The rounding of each graph output, as parity measures it: random T5s have values of 20 and more."""
    pairs = [SamplePair("", ids, target) for ids, target in zip(SOURCES, TARGETS, strict=True)]
    measured = measure_rounding(source, pairs)
    names = {space.output: name_states(space.name) for space in source.spaces}
    names |= {"scored_log_probs": LOG_PROBS, "cross_attention": ATTENTION}
    return {output: measured[name] for output, name in names.items()}


def _pad(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows])


def _encode(source: LoadedCheckpoint, sources: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    graph = EncoderGraph(source)
    ids = _pad(sources, source.pad_id)
    mask = torch.arange(ids.shape[1])[None] < torch.tensor([len(row) for row in sources])[:, None]
    every = _keep_every_head(source)
    outputs = graph(ids, mask, every["head_mask"])
    names = [spec.name for spec in graph.outputs]
    return {"source_mask": mask, **every, **dict(zip(names, outputs, strict=True))}


def _keep_every_head(source: LoadedCheckpoint) -> dict[str, Tensor]:
    grids = {"head_mask": source.encoder_self_attention, "decoder_head_mask": source.decoder_self_attention}
    return {name: torch.ones(grid.layers, grid.heads) for name, grid in grids.items() if grid}


def _force(
    source: LoadedCheckpoint, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> list[dict[str, Tensor]]:
    """Outputs of every sentence of one ragged batch, padding cut off."""
    graph = ForcedGraph(source)
    forced = _pad(targets, source.pad_id)
    start = torch.full((len(targets), 1), source.start_id)
    tensors = _encode(source, sources) | {
        "previous_ids": torch.cat([start, forced[:, :-1]], 1),
        "scored_ids": forced,
    }
    outputs = graph(*(tensors[spec.name] for spec in graph.inputs))
    found = dict(zip((spec.name for spec in graph.outputs), outputs, strict=True))
    return [
        {name: values[row, : len(target)] for name, values in found.items()}
        | {name: tensors[name][row, : len(sentence)] for name in _source_states(source)}
        for row, (sentence, target) in enumerate(zip(sources, targets, strict=True))
    ]


def _source_states(source: LoadedCheckpoint) -> list[str]:
    return [space.output for space in source.spaces if space.owner == "source" and space.kind != "table"]


def _assert_equals(
    source: LoadedCheckpoint,
    found: Mapping[str, Tensor],
    wanted: ReferenceSentence,
    length: int,
    bounds: Mapping[str, float],
) -> None:
    pairs = {
        **list_states(source, wanted),
        "scored_log_probs": wanted.log_probs,
        "cross_attention": wanted.attention,
    }
    for name, values in pairs.items():
        assert values is not None
        own = found[name][..., :length] if name == "cross_attention" else found[name]
        np.testing.assert_allclose(own.numpy(), values, atol=bounds[name], rtol=0, err_msg=name)


@torch.inference_mode()
def test_a_ragged_batch_gives_what_the_library_gives_for_each_sentence(
    source: LoadedCheckpoint, roundings: Mapping[str, float]
) -> None:
    bounds = find_bounds(roundings, TOLERANCE)
    for found, ids, target in zip(_force(source, SOURCES, TARGETS), SOURCES, TARGETS, strict=True):
        _assert_equals(source, found, source.reference.force(ids, target), len(ids), bounds)


@torch.inference_mode()
def test_a_batch_gives_what_each_sentence_alone_gives(source: LoadedCheckpoint, roundings: Mapping[str, float]) -> None:
    bounds = find_bounds(roundings, BATCH_TOLERANCE)
    for found, ids, target in zip(_force(source, SOURCES, TARGETS), SOURCES, TARGETS, strict=True):
        alone = _force(source, [ids], [target])[0]
        for name, values in alone.items():
            own = found[name][..., : len(ids)] if name == "cross_attention" else found[name]
            scale = max(1.0, float(values.abs().max()))
            allowed = max(BATCH_TOLERANCE * scale, bounds.get(name, 0.0))
            torch.testing.assert_close(own, values, atol=allowed, rtol=0)


@torch.inference_mode()
def test_steps_give_what_the_whole_target_at_once_gives(source: LoadedCheckpoint) -> None:
    """With two beams a sentence, which change places after every step."""
    target = torch.tensor([[41, 42, 43, 44], [51, 52, 53, 54]])
    wanted = _force(source, SOURCES[:2], target.tolist())
    tensors = _encode(source, SOURCES[:2])
    rows, previous = torch.tensor([0, 0, 1, 1]), torch.full((4,), source.start_id)
    for step in range(4):
        tensors |= {"previous_ids": previous, "position": torch.tensor([step]), "scored_ids": target[rows, step]}
        tensors["beam_index"] = torch.tensor([1, 0, 3, 2]) if step else rows
        found = _step(source, tensors)
        for row, sentence in enumerate(rows.tolist()):
            for name in found.keys() & wanted[sentence].keys() - {"cross_attention"}:
                torch.testing.assert_close(found[name][row], wanted[sentence][name][step], atol=TOLERANCE, rtol=0)
        tensors |= {name.replace("next.", "memory."): value for name, value in found.items() if "next." in name}
        previous = target[rows, step]


def _step(source: LoadedCheckpoint, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Run a step; without an override among ``tensors`` there is none."""
    graph = StepGraph(source)
    rows, length = len(tensors["previous_ids"]), tensors["source_mask"].shape[1]
    shape = (rows, source.cross_attention_layers, source.cross_attention_heads)
    without = {"attention_override": torch.zeros(*shape, length), "override_on": torch.zeros(shape, dtype=torch.bool)}
    complete = {**without, "top_count": torch.tensor([3]), **tensors}
    outputs = graph(*(complete[spec.name] for spec in graph.inputs))
    return dict(zip((spec.name for spec in graph.outputs), outputs, strict=True))


@torch.inference_mode()
def test_an_override_is_the_attention_that_is_used(source: LoadedCheckpoint) -> None:
    tensors = _encode(source, SOURCES[:1])
    shape = (2, source.cross_attention_layers, source.cross_attention_heads, len(SOURCES[0]))
    weights = torch.softmax(torch.randn(shape, generator=torch.Generator().manual_seed(1)), -1)
    on = torch.zeros(shape[:-1], dtype=torch.bool)
    on[1, -1] = True
    tensors |= {
        "previous_ids": torch.full((2,), source.start_id),
        "beam_index": torch.tensor([0, 0]),
        "position": torch.tensor([0]),
        "scored_ids": torch.tensor([41, 41]),
        "attention_override": weights,
        "override_on": on,
    }
    found = _step(source, tensors)
    own, changed = found["cross_attention"]
    torch.testing.assert_close(changed[-1], weights[1, -1])
    torch.testing.assert_close(changed[:-1], own[:-1])
    assert not torch.allclose(found["context"][0], found["context"][1])


@torch.inference_mode()
def test_self_attention_is_the_librarys(source: LoadedCheckpoint) -> None:
    graph = SelfAttentionGraph(source)
    reference = source.reference
    assert isinstance(reference, HuggingFaceReference)
    previous = torch.tensor([[source.start_id, *TARGETS[0][:-1]]])
    shape = (1, previous.shape[1], source.cross_attention_layers, source.cross_attention_heads)
    ids = torch.tensor([SOURCES[2]])
    own = graph(
        ids,
        torch.ones_like(ids, dtype=torch.bool),
        previous,
        torch.zeros(*shape, ids.shape[1]),
        torch.zeros(shape) > 0,
        *_keep_every_head(source).values(),
    )
    # With a cache an FSMT sees the future of a target that is given at once.
    answer = reference.model(
        **reference.source_inputs(ids), decoder_input_ids=previous, output_attentions=True, use_cache=False
    )
    for found, layers in zip(own, (_read_encoder(answer, ids.shape[1]), answer.decoder_attentions), strict=True):
        torch.testing.assert_close(found, torch.stack(tuple(layers), dim=1), atol=TOLERANCE, rtol=0)


def _read_encoder(answer: Any, length: int) -> Sequence[Tensor]:
    """The encoder's attention of the library between all tokens of a source, [1, A, S, S] of every layer."""
    layers = answer.encoder_attentions
    if hasattr(answer, "encoder_global_attentions"):
        return [_spread_distances(*pair) for pair in zip(layers, answer.encoder_global_attentions, strict=True)]
    if isinstance(layers[0], dict):
        return [_spread_blocks(layer["local"], layer["global"].shape[2], length) for layer in layers]
    if layers[0].dim() > 4:
        return list(_spread_windows(torch.stack(layers, dim=1), length).unbind(1))
    return list(layers)


def _spread_distances(near: Tensor, of_first: Tensor) -> Tensor:
    """LED's attention [1, A, S, 1 to the first token + 2 x distance + 1] and [1, A, S, 1 of the first token]."""
    length, distance = near.shape[2], (near.shape[3] - 2) // 2
    spread = near.new_zeros(*near.shape[:2], length, length)
    for query in range(1, length):
        for key in range(max(1, query - distance), min(length, query + distance + 1)):
            spread[..., query, key] = near[..., query, 1 + key - query + distance]
        spread[..., query, 0] = near[..., query, 0]
    spread[..., 0, :] = of_first[..., :length, 0]
    return spread


def _spread_blocks(near: Tensor, global_tokens: int, length: int) -> Tensor:
    """PEGASUS-X's attention [1, A, blocks, block, F + block], staggered where another block is needed for it."""
    count, size = near.shape[2:4]
    shift = size // 2 if count * size >= length + size else 0
    spread = near.new_zeros(*near.shape[:2], length, length)
    for query in range(length):
        block, row = divmod(query + shift, size)
        start = block * size - shift
        for key in range(max(0, start), min(length, start + size)):
            spread[..., query, key] = near[:, :, block, row, global_tokens + key - start]
    return spread


def _spread_windows(attention: Tensor, length: int) -> Tensor:
    """LongT5's attention [1, L, blocks, A, block, three blocks and more] as one between all tokens, [1, L, A, S, S]."""
    size = attention.shape[-2]
    spread = attention.new_zeros(*attention.shape[:2], attention.shape[3], length, length)
    for query in range(length):
        block, row = divmod(query, size)
        for key in range(max(0, (block - 1) * size), min(length, (block + 2) * size)):
            spread[..., query, key] = attention[:, :, block, :, row, key - (block - 1) * size]
    return spread


@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    [
        *(
            pytest.param(name, marks=pytest.mark.oracle)
            for name in ("bert2bert", "led", "longt5-blocks", "m2m100", "pegasus_x", "t5gemma")
        ),
        "marian",
        "t5",
    ],
)
def test_a_family_is_exported_and_verified(family: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "suppress_tokens": [7],
        "forced_bos_token_id": 9,
        "forced_eos_token_id": 2,
        "no_repeat_ngram_size": 2,
        "repetition_penalty": 1.4,
    }
    checkpoint = save_tiny_checkpoint(family, tmp_path / "checkpoint", **settings)
    workspace = Workspace(tmp_path)
    export_model(checkpoint, None, family, workspace, context_layer=0, progress=SilentProgress())
    manifest = load_model_manifest(workspace.model_folder(family))
    assert manifest.generation.suppressed_ids == (7,)
    assert manifest.generation.forced_first_id == 9
    assert manifest.generation.ngram_size == 2
    assert manifest.generation.repetition_penalty == 1.4
    assert {space.name: space.layer for space in manifest.spaces}["context"] == 0
    assert manifest.generation.forces_end
    assert manifest.parity is not None
    assert manifest.parity.beam_sentences_equal == manifest.parity.beam_sentences
    check_states(workspace.model_folder(family), SOURCES, TARGETS)
    assert not _is_mapped(checkpoint)


def _is_mapped(folder: Path) -> bool:
    """Whether a file of the folder is mapped into memory; false where the system does not say."""
    gc.collect()
    mapped = Path("/proc/self/maps")
    return mapped.is_file() and str(folder) in mapped.read_text(encoding="utf-8")
