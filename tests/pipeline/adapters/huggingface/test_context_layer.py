"""The context can be that of any decoder layer: of which, the model's space says, and its fingerprint knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from exported_models.contract.manifest import CONTEXT_SPACE
from exported_models.contract.workspace import Workspace
from pipeline.adapters.huggingface.reference import HuggingFaceReference
from pipeline.build.project_file import load_project
from pipeline.errors import CheckpointError
from pipeline.export.checkpoints import load_checkpoint, plan_model
from pipeline.graphs.modules import EncoderGraph, ForcedGraph
from pipeline.models.checkpoint import LoadedCheckpoint
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint

SOURCE, TARGET = (11, 12, 13, 2), (41, 42, 2)
DATES = Path(__file__).parents[4] / "examples" / "dates" / "checkpoint"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint("marian", tmp_path_factory.mktemp("checkpoint"))


def _load(checkpoint: Path, tmp_path: Path, layer: int | None) -> LoadedCheckpoint:
    return load_checkpoint(plan_model(Workspace(tmp_path), "tiny", checkpoint, None, context_layer=layer))


@torch.inference_mode()
def _force_context(source: LoadedCheckpoint) -> Tensor:
    ids = torch.tensor([SOURCE])
    encoder, decoder = EncoderGraph(source), ForcedGraph(source)
    mask = torch.ones_like(ids, dtype=torch.bool)
    names = [spec.name for spec in encoder.outputs]
    tensors = dict(zip(names, _run(encoder, {"source_ids": ids, "source_mask": mask}), strict=True))
    previous = torch.tensor([[source.start_id, *TARGET[:-1]]])
    tensors |= {"source_mask": mask, "previous_ids": previous, "scored_ids": torch.tensor([TARGET])}
    found = _run(decoder, tensors)
    return dict(zip([spec.name for spec in decoder.outputs], found, strict=True))["context"][0]


def _run(graph: EncoderGraph | ForcedGraph, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """Run a graph, with no head ablated: what is left of its inputs are masks of heads."""
    left = [spec for spec in graph.inputs if spec.name not in tensors]
    masks = {spec.name: torch.ones([int(size) for size in spec.shape]) for spec in left}
    outputs: tuple[Tensor, ...] = graph(*((tensors | masks)[spec.name] for spec in graph.inputs))
    return outputs


@torch.inference_mode()
def _library_context(source: LoadedCheckpoint, layer: int) -> Tensor:
    reference = source.reference
    assert isinstance(reference, HuggingFaceReference)
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: tuple[Tensor, ...]) -> None:  # noqa: ARG001 (torch's own)
        seen.append(output[0][0])

    model: Any = reference.model
    with model.model.decoder.layers[layer].encoder_attn.register_forward_hook(keep):
        model(input_ids=torch.tensor([SOURCE]), decoder_input_ids=torch.tensor([[source.start_id, *TARGET[:-1]]]))
    return seen[0]


@pytest.mark.parametrize("layer", [None, 0, 1])
def test_it_is_the_cross_attention_of_that_layer(checkpoint: Path, tmp_path: Path, layer: int | None) -> None:
    source = _load(checkpoint, tmp_path, layer)
    chosen = 2 if layer is None else layer
    context = next(space for space in source.spaces if space.name == CONTEXT_SPACE)
    assert context.layer == chosen
    assert f"decoder layer {chosen}, counted from 0" in context.meaning
    wanted = _library_context(source, chosen)
    torch.testing.assert_close(_force_context(source), wanted, atol=1e-5, rtol=0)
    forced = torch.from_numpy(source.reference.force(SOURCE, TARGET).states[CONTEXT_SPACE])
    torch.testing.assert_close(forced, wanted, atol=1e-5, rtol=0)


def test_another_choice_is_another_model(checkpoint: Path, tmp_path: Path) -> None:
    plans = [plan_model(Workspace(tmp_path), "tiny", checkpoint, None, context_layer=layer) for layer in (None, 0, 1)]
    assert len({plan.fingerprint for plan in plans}) == 3


def test_a_project_chooses_it(tmp_path: Path) -> None:
    path = tmp_path / "project.toml"
    path.write_text('[model]\nid = "m"\ncheckpoint = "c"\ncontext_layer = 1\n[corpus]\ntrain = "x.tsv"\n')
    assert load_project(path).content.model.context_layer == 1


def test_a_layer_that_there_is_not_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has no decoder layer 3; its layers are 0 to 2"):
        _load(checkpoint, tmp_path, 3)


def test_a_model_of_one_layer_has_no_choice(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has no choice of context layers; leave the context layer out"):
        _load(DATES, tmp_path, 0)
