"""An ablated head is one whose part of the library's own output projection is zero."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from exported_models.contract.request import HeadAblation, HeadKind, Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.search.ablation import find_heads
from exported_models.search.self_attention import find_self_attention
from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.reference import HuggingFaceReference
from pipeline.export.checkpoints import export_model
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PROJECTIONS: dict[str, dict[HeadKind, str]] = {
    "marian": {
        "encoder": "model.encoder.layers.{}.self_attn.out_proj",
        "decoder": "model.decoder.layers.{}.self_attn.out_proj",
        "cross": "model.decoder.layers.{}.encoder_attn.out_proj",
    },
    "t5": {
        "encoder": "encoder.block.{}.layer.0.SelfAttention.o",
        "decoder": "decoder.block.{}.layer.0.SelfAttention.o",
        "cross": "decoder.block.{}.layer.1.EncDecAttention.o",
    },
}
ABLATIONS = (HeadAblation("encoder", 0, 1), HeadAblation("decoder", 1, 0), HeadAblation("cross", 1, 1))


def silence(reference: HuggingFaceReference, family: str, ablation: HeadAblation, heads: int) -> None:
    """Let the head's output reach nothing in the library's model."""
    weight = reference.model.get_submodule(PROJECTIONS[family][ablation.kind].format(ablation.layer)).weight
    assert isinstance(weight, torch.Tensor)
    size = weight.shape[1] // heads
    with torch.no_grad():
        weight[:, ablation.head * size : (ablation.head + 1) * size] = 0.0


@pytest.mark.parametrize("family", ["marian", pytest.param("t5", marks=pytest.mark.oracle)])
def test_a_search_without_heads_is_the_librarys_without_them(family: str, tmp_path: Path) -> None:
    checkpoint, workspace = save_tiny_checkpoint(family, tmp_path / "checkpoint"), Workspace(tmp_path)
    export_model(checkpoint, None, family, workspace, progress=SilentProgress())
    engine = Engine(workspace, threads=1)
    model = engine.model(family)
    text = model.source_tokenizer.decode((11, 12, 13, 14, 15))
    free = engine.translate(Request(family, text))

    source = load_adapter("huggingface").load(checkpoint)
    reference = source.reference
    assert isinstance(reference, HuggingFaceReference)
    for ablation in ABLATIONS:
        grid = find_heads(model.manifest, ablation.kind)
        assert grid is not None
        silence(reference, family, ablation, grid.heads)

    trace = engine.translate(Request(family, text, ablations=ABLATIONS))

    wanted = reference.search(trace.source.ids, model.manifest.generation)
    assert [h.token_ids for h in trace.hypotheses] == [h.token_ids for h in wanted]
    assert [h.normalized for h in trace.hypotheses] == pytest.approx([h.score for h in wanted], abs=1e-4)
    assert trace.best.score != pytest.approx(free.best.score, abs=1e-5)
    forced = reference.force(trace.source.ids, trace.best.token_ids)
    # The last token may be an end that the settings force, which costs a search nothing.
    assert trace.best.log_probs[:-1] == pytest.approx(forced.log_probs[:-1].tolist(), abs=1e-4)
    attention, own = trace.attention(trace.best), find_self_attention(model, trace, trace.best)
    assert attention is not None
    assert own is not None
    assert not attention[:, 1, 1].any()
    assert attention[:, 1, 0].any()
    assert not own.encoder[0, 1].any()
    assert own.encoder[0, 0].any()
    assert not own.decoder[1, 0].any()
    assert own.decoder[1, 1].any()
