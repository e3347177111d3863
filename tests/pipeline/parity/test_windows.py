"""Verification meets the edges of windows and blocks that are longer than its usual made-up sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from exported_models.contract.graphs import Graph
from pipeline.adapters import load_adapter
from pipeline.adapters.transformer_graphs import TransformerEncoder
from pipeline.errors import ParityError
from pipeline.graphs.export import write_graphs
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.models.transformer_config import Reach, TransformerConfig
from pipeline.parity.sample import SamplePair, make_up_sample
from pipeline.parity.verify import TOLERANCE, verify_model
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tiny_checkpoint
from tests.pipeline.parity.wrong_graphs import copy_with_fault
from tests.pipeline.tiny_exports import open_unverified

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WINDOW = 64
LONG: Mapping[str, Mapping[str, Any]] = {
    "led": {"attention_window": [2 * WINDOW, 2 * WINDOW]},
    "pegasus_x": {"block_size": WINDOW},
    "longt5": {"local_radius": WINDOW - 1},
}
"""Changes of tiny configurations by family, so that no usual made-up sentence is longer than a window."""


def load(family: str, folder: Path, changes: Mapping[str, Any]) -> LoadedCheckpoint:
    return load_adapter("huggingface").load(save_tiny_checkpoint(family, folder, changes=changes))


def lengths(sample: Sequence[SamplePair]) -> list[int]:
    return [len(pair.source_ids) for pair in sample]


@pytest.mark.parametrize("family", LONG)
def test_one_more_sentence_spans_the_windows_of_a_model(family: str, tmp_path: Path) -> None:
    sample = make_up_sample(load(family, tmp_path, LONG[family]), 5)

    assert 2 * WINDOW < lengths(sample)[0] < 3 * WINDOW
    assert lengths(sample)[1:] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        pytest.param("marian", {}, id="no windows"),
        pytest.param("longt5", {"local_radius": 1}, id="windows that short sentences span"),
        pytest.param("longt5", {"local_radius": 600}, id="a window longer than any source"),
    ],
)
def test_no_sentence_is_added_where_none_meets_more_edges(family: str, changes: dict[str, Any], tmp_path: Path) -> None:
    assert lengths(make_up_sample(load(family, tmp_path, changes), 5)) == [2, 3, 4, 5, 6]


def widen(config: TransformerConfig) -> TransformerConfig:
    """The configuration with windows of one more token on either side, or blocks of one more, in the last layer."""
    if config.long_source is None:
        return replace(config, encoder=replace(config.encoder, radii=(*config.encoder.radii[:-1], WINDOW)))
    *others, last = config.long_source.reaches
    return replace(config, long_source=replace(config.long_source, reaches=(*others, Reach(last.size + 1, last.kind))))


@torch.inference_mode()
@pytest.mark.parametrize("family", LONG)
def test_that_sentence_alone_shows_a_window_of_one_token_more(family: str, tmp_path: Path) -> None:
    checkpoint = load(family, tmp_path, LONG[family])
    long, *usual = make_up_sample(checkpoint, 40)
    assert isinstance(checkpoint.encoder, TransformerEncoder)
    model = checkpoint.encoder.model
    right = model.config

    def differ(pair: SamplePair) -> float:
        """The largest difference of encoder states to the library's."""
        ids = torch.tensor([pair.source_ids])
        found = checkpoint.encoder(ids, torch.ones_like(ids) > 0)["encoder_state"][0].numpy()
        wanted = checkpoint.reference.force(pair.source_ids, pair.target_ids).states["encoder"]
        return float(np.abs(found - wanted).max())

    assert max(map(differ, (long, *usual))) < TOLERANCE
    model.config = widen(right)
    assert max(map(differ, usual)) < TOLERANCE
    assert differ(long) > 10 * TOLERANCE


def narrow(graph: onnx.GraphProto) -> None:
    """The outermost key on either side of a window is not read."""
    (edge,) = (node for node in graph.node if node.op_type == "LessOrEqual")
    (distance,) = (tensor for tensor in graph.initializer if tensor.name == edge.input[1])
    graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(distance) - 1, "narrowed"))
    edge.input[1] = "narrowed"


@pytest.mark.slow
@pytest.mark.oracle
def test_an_export_with_one_wrong_edge_is_refused(tmp_path: Path) -> None:
    changes = {"attention_window": [2 * WINDOW], "encoder_layers": 1, "decoder_layers": 1}
    checkpoint = load("led", tmp_path / "checkpoint", changes)
    write_graphs(checkpoint, tmp_path / "graphs")
    right = open_unverified(tmp_path / "graphs", checkpoint)
    sample = make_up_sample(checkpoint, 12)
    assert verify_model(checkpoint, right, sample, progress=SilentProgress()).beam_sentences_equal == 13

    folder = copy_with_fault(tmp_path / "graphs", tmp_path / "wrong", Graph.ENCODER, narrow)
    wrong = open_unverified(folder, checkpoint)

    verify_model(checkpoint, wrong, sample[1:], progress=SilentProgress())
    with pytest.raises(ParityError, match=r"encoder states differ by .* at made-up sentence of 144 tokens"):
        verify_model(checkpoint, wrong, sample, progress=SilentProgress())
