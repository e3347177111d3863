"""OpenNMT-py checkpoints: the exported modules compute what the model that was trained computes, and search alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sentencepiece import SentencePieceTrainer
from torch import Tensor, nn

from exported_models.contract.manifest import SentencePieceSpec, load_model_manifest
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.tokenizers.sentencepiece import load_sentencepiece_tokenizer
from pipeline.adapters import find_adapter, load_adapter
from pipeline.export.checkpoints import export_model
from pipeline.graphs.export import write_tokenizers
from pipeline.graphs.modules import EncoderGraph, StepGraph
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.opennmt.checkpoints import (
    SHAPES,
    SOURCE_TOKENS,
    TARGET_TOKENS,
    make_content,
    make_pairs,
    number,
    pad,
    save_checkpoint,
    train_model,
)

TOLERANCE = 1e-4
STEPS = 60
END = 3


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # two wait for each other on a busy machine


@pytest.fixture(scope="module", params=SHAPES)
def trained(request: pytest.FixtureRequest) -> nn.Module:
    return train_model(request.param, 5)


@pytest.fixture(scope="module")
def source(trained: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    path = save_checkpoint(tmp_path_factory.mktemp("opennmt") / "model_step_60.pt", make_content(trained))
    assert find_adapter(path) == "opennmt"
    return load_adapter("opennmt").load(path)


def _ids(count: int) -> tuple[list[list[int]], list[list[int]]]:
    pairs = make_pairs(count)
    sources = [number(source, SOURCE_TOKENS) for source, _ in pairs]
    return sources, [[*number(target, TARGET_TOKENS), END] for _, target in pairs]


def _force(source: LoadedCheckpoint, sources: list[list[int]], targets: list[list[int]]) -> Tensor:
    """Log-probabilities [sentences, tokens] of a ragged batch."""
    return _step_all(source, sources, targets, "scored_log_probs")


def _step_all(source: LoadedCheckpoint, sources: list[list[int]], targets: list[list[int]], output: str) -> Tensor:
    """An output [sentences, tokens, ...] of a ragged batch, step by step through the modules that are exported."""
    encoder, step = EncoderGraph(source), StepGraph(source)
    ids = pad(sources)
    mask = torch.arange(ids.shape[1])[None] < torch.tensor([len(row) for row in sources])[:, None]
    values = {"source_ids": ids, "source_mask": mask, **_keep_heads(source)}
    outputs = encoder(*(values[spec.name] for spec in encoder.inputs))
    values |= dict(zip((spec.name for spec in encoder.outputs), outputs, strict=True))
    values |= {"beam_index": torch.arange(len(ids)), "top_count": torch.tensor([1])}
    shape = (len(ids), source.cross_attention_layers, source.cross_attention_heads)
    values |= {"attention_override": torch.zeros(*shape, ids.shape[1]), "override_on": torch.zeros(shape) > 0}
    forced, previous, found = pad(targets), torch.full((len(ids),), source.start_id), []
    for place in range(forced.shape[1]):
        values |= {"previous_ids": previous, "position": torch.tensor([place]), "scored_ids": forced[:, place]}
        outputs = step(*(values[spec.name] for spec in step.inputs))
        named = dict(zip((spec.name for spec in step.outputs), outputs, strict=True))
        values |= {name.replace("next.", "memory."): value for name, value in named.items() if "next." in name}
        found.append(named[output])
        previous = forced[:, place]
    return torch.stack(found, 1)


def _keep_heads(source: LoadedCheckpoint) -> dict[str, Tensor]:
    """The masks of self-attention that ablate nothing."""
    grids = {"head_mask": source.encoder_self_attention, "decoder_head_mask": source.decoder_self_attention}
    return {name: torch.ones(grid.layers, grid.heads) for name, grid in grids.items() if grid is not None}


@torch.inference_mode()
def test_a_ragged_batch_gives_what_the_trained_model_gives(trained: nn.Module, source: LoadedCheckpoint) -> None:
    sources, targets = _ids(12)
    forced = pad(targets)
    previous = torch.cat([torch.full((12, 1), 2), forced[:, :-1]], 1)
    wanted = trained(pad(sources), previous).gather(-1, forced.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(_force(source, sources, targets), wanted, atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_the_reference_gives_what_the_trained_model_gives(trained: nn.Module, source: LoadedCheckpoint) -> None:
    for ids, target in zip(*_ids(6), strict=True):
        previous = torch.tensor([[2, *target[:-1]]])
        wanted = trained(torch.tensor([ids]), previous)[0].gather(-1, torch.tensor(target)[:, None])[:, 0]
        found = source.reference.force(ids, target)
        np.testing.assert_allclose(found.log_probs, wanted.numpy(), atol=TOLERANCE)
        assert set(found.states) == {space.name for space in source.spaces}
        assert (found.attention is None) == (source.cross_attention_layers == 0)


@torch.inference_mode()
def test_every_space_has_the_states_of_the_reference(source: LoadedCheckpoint) -> None:
    ids, target = (rows[0] for rows in _ids(1))
    wanted = source.reference.force(ids, target).states
    encoder = EncoderGraph(source)
    inputs = (torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool), *_keep_heads(source).values())
    encoded = dict(zip((spec.name for spec in encoder.outputs), encoder(*inputs[: len(encoder.inputs)]), strict=True))
    assert source.embeddings is not None
    tables = source.embeddings(torch.tensor(ids), torch.tensor(target))
    for space in source.spaces:
        if space.kind == "table":
            found = tables[space.output]
        elif space.owner == "source":
            found = encoded[space.output][0]
        else:
            found = _step_all(source, [ids], [target], space.output)[0]
        np.testing.assert_allclose(found.numpy(), wanted[space.name], atol=TOLERANCE, err_msg=space.name)


@torch.inference_mode()
def test_the_context_of_another_layer_can_be_chosen(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "model.pt", make_content(train_model("transformer", 1)))
    contexts = []
    for layer in (0, 1):
        choose = load_adapter("opennmt").load(path).choose_context
        assert choose is not None
        source = choose(layer)
        ids, target = (rows[0] for rows in _ids(1))
        wanted = source.reference.force(ids, target).states["context"]
        found = _step_all(source, [ids], [target], "context")[0]
        np.testing.assert_allclose(found.numpy(), wanted, atol=TOLERANCE)
        contexts.append(wanted)
    assert not np.allclose(contexts[0], contexts[1], atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["lstm", *(pytest.param(name, marks=pytest.mark.oracle) for name in ("gru", "no attention", "transformer"))]
)
def test_a_checkpoint_is_exported_and_translates_dates(name: str, tmp_path: Path) -> None:
    model = train_model(name, STEPS)
    path = save_checkpoint(tmp_path / "model.pt", make_content(model))
    workspace = Workspace(tmp_path)
    export_model(path, None, "dates", workspace, progress=SilentProgress())
    manifest = load_model_manifest(workspace.model_folder("dates"))
    assert manifest.parity is not None
    assert manifest.parity.beam_sentences_equal == manifest.parity.beam_sentences
    assert manifest.has_attention == (name != "no attention")
    engine = Engine(workspace, threads=1)
    for source, _ in make_pairs(5):
        trace = engine.translate(Request("dates", " ".join(source), beam_size=1))
        assert list(trace.best.token_ids) == _decode_greedily(model, number(source, SOURCE_TOKENS))


@torch.inference_mode()
def _decode_greedily(model: nn.Module, source: list[int]) -> list[int]:
    ids = [2]
    while ids[-1] != END and len(ids) <= 250:
        ids.append(int(model(torch.tensor([source]), torch.tensor([ids]))[0, -1].argmax()))
    return ids[1:]


def test_version_2_with_a_vocabulary_of_lists_reads_the_same(tmp_path: Path) -> None:
    model = train_model("lstm", 1)
    newer, older = (
        load_adapter("opennmt").load(save_checkpoint(tmp_path / f"v{version}.pt", make_content(model, version)))
        for version in (3, 2)
    )
    sources, targets = _ids(3)
    torch.testing.assert_close(_force(older, sources, targets), _force(newer, sources, targets), atol=0, rtol=0)
    assert (older.generation.length_penalty, newer.generation.length_penalty) == (0.0, 1.0)
    assert "OpenNMT-py's own search differs" in older.notices[0]


@torch.inference_mode()
def test_special_tokens_may_have_other_numbers_in_the_source(tmp_path: Path) -> None:
    """As in version 2, where a source has neither start nor end."""
    model = train_model("lstm", 1)
    content = make_content(model, version=2)
    content["vocab"]["src"] = ["<unk>", "<blank>", *SOURCE_TOKENS[4:], "<s>", "</s>"]
    order = [SOURCE_TOKENS.index(token) for token in content["vocab"]["src"]]
    name = "encoder.embeddings.make_embedding.emb_luts.0.weight"
    content["model"] = {**content["model"], name: content["model"][name][order]}
    content["vocab"]["src"], content["model"][name] = content["vocab"]["src"][:-2], content["model"][name][:-2]
    source = load_adapter("opennmt").load(save_checkpoint(tmp_path / "model.pt", content))
    sources, targets = _ids(3)
    previous = torch.tensor([[2, *target[:-1]] for target in targets])
    wanted = model(pad(sources), previous).gather(-1, torch.tensor(targets).unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(_force(source, sources, targets), wanted, atol=TOLERANCE, rtol=0)


def test_vocabulary_and_weights_may_lie_beside_the_file(tmp_path: Path) -> None:
    content = make_content(train_model("lstm", 1))
    whole = load_adapter("opennmt").load(save_checkpoint(tmp_path / "whole.pt", content))
    generator = {f"generator.{name}": tensor for name, tensor in content.pop("generator").items()}
    save_file({**content.pop("model"), **generator}, tmp_path / "parts.safetensors")
    (tmp_path / "parts.vocab.json").write_text(json.dumps(content.pop("vocab")), encoding="utf-8")
    parts = load_adapter("opennmt").load(save_checkpoint(tmp_path / "parts.pt", content))
    sources, targets = _ids(2)
    torch.testing.assert_close(_force(parts, sources, targets), _force(whole, sources, targets), atol=0, rtol=0)
    assert parts.tokenizer_files == whole.tokenizer_files


def test_a_sentencepiece_model_beside_the_file_travels_along(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "transforms": ["sentencepiece", "filtertoolong"],
        "src_subword_model": "/data/pieces.model",
    }
    path = save_checkpoint(tmp_path / "model.pt", make_content(train_model("lstm", 1), **options))
    without = load_adapter("opennmt").load(path)
    assert "went through sentencepiece, which is not run here" in without.notices[1]
    texts = [" ".join("".join(tokens).split("▁")) for tokens, _ in make_pairs(300)]
    SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_prefix=str(tmp_path / "pieces"), model_type="char", minloglevel=2
    )
    source = load_adapter("opennmt").load(path)
    assert len(source.notices) == 1
    assert isinstance(source.source_tokenizer, SentencePieceSpec)
    write_tokenizers(source, tmp_path)
    tokenizer = load_sentencepiece_tokenizer(tmp_path, source.source_tokenizer, source.special_ids)
    encoding = tokenizer.encode("May 17 2003?", end=True)
    assert list(encoding.ids) == [*number(list("▁May▁17▁2003"), SOURCE_TOKENS), 0]
    assert encoding.words == (0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2)
