"""An ablated head is one whose part of the library's own output projection is zero."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from exported_models.contract.publishing import publish, read_manifest
from exported_models.contract.request import AttentionOverride, HeadAblation, HeadKind, Request
from exported_models.contract.wishes import Wish
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply
from exported_models.engine import Engine
from exported_models.search.ablation import find_heads
from exported_models.search.self_attention import find_self_attention
from exported_models.what_ifs.listing import list_heads, list_words
from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.reference import HuggingFaceReference
from tests.artefacts import TinyExport
from tests.exported_models.together import assert_as_alone

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
    "t5gemma": {
        "encoder": "model.encoder.layers.{}.self_attn.o_proj",
        "decoder": "model.decoder.layers.{}.self_attn.o_proj",
        "cross": "model.decoder.layers.{}.cross_attn.o_proj",
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


@pytest.fixture(scope="module")
def open_family(
    tiny_export: Callable[[str], TinyExport], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Engine]]:
    """A tiny checkpoint of a family, and an engine with its export, opened once."""

    @cache
    def open_engine(family: str) -> tuple[Path, Engine]:
        exported, workspace = tiny_export(family), Workspace(tmp_path_factory.mktemp(family))
        workspace.models_folder.mkdir()
        staged = Path(shutil.copytree(exported.graphs, workspace.root / "staged"))
        publish(staged, workspace.models_folder / family, read_manifest(staged) | {"model_id": family}, {})
        return exported.checkpoint, Engine(workspace, threads=1)

    return open_engine


@pytest.mark.parametrize(
    "family", ["marian", *(pytest.param(name, marks=pytest.mark.oracle) for name in ("t5", "t5gemma"))]
)
def test_a_search_without_heads_is_the_librarys_without_them(
    family: str, open_family: Callable[[str], tuple[Path, Engine]]
) -> None:
    checkpoint, engine = open_family(family)
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


def test_what_ifs_together_are_what_ifs_alone(open_family: Callable[[str], tuple[Path, Engine]]) -> None:
    _, engine = open_family("marian")
    model = engine.model("marian")
    decode = model.source_tokenizer.decode
    base = Request("marian", decode((11, 12, 13, 14, 15)), beam_size=3, max_length=16)
    trace = engine.translate(base)
    wishes: list[Wish] = [*list_words(trace, trace.best), *list_heads(model.manifest)]
    asked = [apply(wish, trace, trace.best).request for wish in wishes]
    override = AttentionOverride(1, ((2, 1.0),), layer=1, head=0)
    other = [replace(base, source=decode(ids)) for ids in ((11, 12), (15, 14, 13, 12, 11, 10, 9))]
    forced = [replace(entry, overrides=(override,)) for entry in asked[:8] if len(entry.prefix) > 1]

    found = assert_as_alone(engine, [*asked, *other, *forced, replace(base, overrides=(override,))])

    assert len({str(each) for each in found}) > len(wishes) / 2
