"""A T5 trained until its values are far from 1 is built like any other model, and a wrong graph of it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from exported_models.contract.graphs import Graph
from exported_models.contract.manifest import load_model_manifest
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.build.building import build
from pipeline.build.project_file import load_project
from pipeline.errors import ParityError
from pipeline.parity.sample import make_up_sample
from pipeline.parity.verify import verify_model
from pipeline.progress import SilentProgress
from tests.oracles.training import Pair, read_dates, train_checkpoint
from tests.pipeline.adapters.huggingface.tiny_checkpoints import VOCABULARY, save_json_tokenizer
from tests.pipeline.parity.wrong_graphs import Fault, copy_with_fault, drop_distance_bias, drop_mask, scale
from tests.pipeline.tiny_exports import open_unverified

pytestmark = [pytest.mark.slow, pytest.mark.oracle, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SIZE = 96
STEPS = 2500
LEARNING_RATE = 4e-3
STRICT = 1e-4
"""The bound of models whose values are of size 1."""
BUILT_PAIRS = 2000
PROJECT = """
[model]
id = "t5"
checkpoint = "{checkpoint}"

[corpus]
train = "train.tsv"
validation = "validation.tsv"

[store]
maps = []
"""


def write_untrained(folder: Path, texts: list[str]) -> None:
    """A T5 of 3 + 3 layers, initialized as the library does."""
    library: Any = transformers
    torch.manual_seed(11)
    config = library.T5Config(
        vocab_size=VOCABULARY,
        d_model=SIZE,
        d_kv=32,
        d_ff=4 * SIZE,
        num_layers=3,
        num_decoder_layers=3,
        num_heads=SIZE // 32,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=0,
    )
    model = library.T5ForConditionalGeneration(config)
    model.generation_config.update(num_beams=4, max_length=40)
    with quiet_library():
        model.save_pretrained(folder)
    save_json_tokenizer(folder, 0, texts)


@pytest.fixture(scope="module")
def pairs() -> tuple[list[Pair], list[Pair]]:
    return read_dates()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, pairs: tuple[list[Pair], list[Pair]]) -> Workspace:
    """A workspace with the trained checkpoint, and the model and store that were built from it."""
    root = tmp_path_factory.mktemp("t5")
    train, held_out = pairs
    write_untrained(root / "checkpoint", [text for pair in train[:2000] for text in pair])
    train_checkpoint(root / "checkpoint", train, steps=STEPS, learning_rate=LEARNING_RATE)
    for name, part in (("train", train[:BUILT_PAIRS]), ("validation", held_out[:200])):
        (root / f"{name}.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in part), encoding="utf-8")
    project = root / "project.toml"
    project.write_text(PROJECT.format(checkpoint=root / "checkpoint"), encoding="utf-8")
    workspace = Workspace(root)
    build(load_project(project), workspace, progress=SilentProgress())
    return workspace


def test_it_is_built_though_its_states_differ_by_more_than_a_strict_bound(
    workspace: Workspace, pairs: tuple[list[Pair], list[Pair]], record_property: Callable[[str, object], None]
) -> None:
    report = load_model_manifest(workspace.model_folder("t5")).parity
    assert report is not None
    record_property("parity", report.model_dump_json())
    engine = Engine(workspace, threads=1)
    read = sum(engine.translate(Request("t5", source)).best.text == target for source, target in pairs[1][:20])
    record_property("read", read)

    assert read >= 15, "trained too little to be like a real model"
    assert report.beam_sentences_equal >= 0.95 * report.beam_sentences
    assert max(found.allowed for found in report.outputs.values()) > STRICT
    assert all(found.difference <= found.allowed for found in report.outputs.values())


@pytest.mark.parametrize(
    ("graph", "fault"),
    [
        pytest.param(Graph.ENCODER, scale("encoder.1.feed_forward.contract.weight", 1.001), id="a weight by 1e-3"),
        pytest.param(Graph.TEACHER_FORCED, scale("decoder.1.cross_attention.output.weight", 1.001), id="of the target"),
        pytest.param(Graph.DECODER_STEP, scale("decoder.1.attention.output.weight", 1.001), id="of steps"),
        pytest.param(Graph.ENCODER, drop_distance_bias, id="no bias in the encoder"),
        pytest.param(Graph.TEACHER_FORCED, drop_distance_bias, id="no bias in the decoder"),
        pytest.param(Graph.ENCODER, drop_mask, id="padding seen by the encoder"),
        pytest.param(Graph.TEACHER_FORCED, drop_mask, id="the future seen"),
    ],
)
def test_a_wrong_graph_of_it_is_refused(workspace: Workspace, tmp_path: Path, graph: Graph, fault: Fault) -> None:
    checkpoint = load_adapter("huggingface").load(workspace.root / "checkpoint")
    folder = copy_with_fault(workspace.model_folder("t5").resolve(), tmp_path / "wrong", graph, fault)

    wrong, sample = open_unverified(folder, checkpoint), make_up_sample(checkpoint, 16)

    with pytest.raises(ParityError, match="Nothing was published"):
        verify_model(checkpoint, wrong, sample, progress=SilentProgress())
