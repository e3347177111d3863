"""An export with one thing wrong is refused, and what is right is described by its figures."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from exported_models.contract.graphs import Graph
from exported_models.runtime.model import ExportedModel
from pipeline.errors import ParityError
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.parity.effort import Effort, choose_effort
from pipeline.parity.origin import Origin
from pipeline.parity.sample import SamplePair, make_up_sample
from pipeline.parity.verify import verify_export, verify_model
from pipeline.progress import SilentProgress
from tests.artefacts import TinyExport
from tests.pipeline.parity.wrong_graphs import Fault, copy_with_fault, drop_mask, scale
from tests.pipeline.tiny_exports import open_unverified

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

QUIET = SilentProgress()
LARGE = choose_effort(600_000_000)


@pytest.fixture(scope="module")
def checkpoint(tiny_export: Callable[[str], TinyExport]) -> LoadedCheckpoint:
    return tiny_export("marian").load()


@pytest.fixture(scope="module")
def exported(tiny_export: Callable[[str], TinyExport]) -> Path:
    return tiny_export("marian").graphs


@pytest.fixture(scope="module")
def sample(checkpoint: LoadedCheckpoint) -> Sequence[SamplePair]:
    return make_up_sample(checkpoint, 10)


def test_a_right_export_of_a_small_model_is_judged_as_strictly_as_ever(
    checkpoint: LoadedCheckpoint, exported: Path, sample: Sequence[SamplePair]
) -> None:
    report = verify_model(checkpoint, ExportedModel.open(exported, threads=1), sample, progress=QUIET)

    assert report.outputs.keys() >= {"log-probabilities", "attention", "encoder states", "decoder states"}
    assert {found.allowed for found in report.outputs.values()} == {1e-4}
    assert all(found.difference < found.allowed for found in report.outputs.values())
    assert report.log_prob == report.outputs["log-probabilities"].difference
    assert report.beam_sentences_equal == report.beam_sentences == len(sample)


@pytest.mark.parametrize(
    ("graph", "fault"),
    [
        pytest.param(Graph.ENCODER, scale("encoder.1.feed_forward.contract.weight", 1.001), id="a weight by 1e-3"),
        pytest.param(Graph.TEACHER_FORCED, scale("decoder.1.cross_attention.output.weight", 1.001), id="of the target"),
        pytest.param(Graph.DECODER_STEP, scale("decoder.1.cross_attention.output.weight", 1.001), id="of steps"),
        pytest.param(Graph.PLAIN_STEP, scale("decoder.1.cross_attention.output.weight", 1.001), id="of plain steps"),
        pytest.param(Graph.TEACHER_FORCED, scale("decoder.0.feed_forward.expand.bias", 0), id="no bias"),
        pytest.param(Graph.ENCODER, drop_mask, id="padding seen by the encoder"),
        pytest.param(Graph.TEACHER_FORCED, drop_mask, id="the future seen"),
    ],
)
def test_a_wrong_export_is_refused(
    checkpoint: LoadedCheckpoint,
    exported: Path,
    sample: Sequence[SamplePair],
    tmp_path: Path,
    graph: Graph,
    fault: Fault,
) -> None:
    wrong = open_unverified(copy_with_fault(exported, tmp_path / "wrong", graph, fault), checkpoint)

    with pytest.raises(ParityError, match="Nothing was published"):
        verify_model(checkpoint, wrong, sample, progress=QUIET)


def test_work_is_bounded_by_tokens_times_weights() -> None:
    assert choose_effort(40_000_000) == Effort()
    for parameters in (75_000_000, 120_000_000, 300_000_000, 600_000_000, 3_000_000_000):
        effort = choose_effort(parameters)
        assert effort.sentences is not None
        assert effort.sentences * effort.longest * parameters <= 2.2e11
        assert effort.sentences >= 6
        assert effort.longest >= 12


def test_a_large_checkpoint_is_asked_first_and_freed_before_its_export_is_opened(
    tiny_export: Callable[[str], TinyExport], exported: Path
) -> None:
    load = tiny_export("marian").load
    origin, opened = Origin(load, LARGE), []
    encoder = weakref.ref(origin.checkpoint.encoder)

    def open_model() -> ExportedModel:
        opened.append(encoder() is None)
        return ExportedModel.open(exported, threads=1)

    sample = make_up_sample(origin.checkpoint, effort=LARGE)
    report = verify_export("tiny", origin, open_model, sample, progress=QUIET)

    assert opened == [True, True]
    assert report.sentences == report.beam_sentences_equal == LARGE.sentences
    assert {len(pair.source_ids) for pair in sample} >= {2, 40}
    assert {found.allowed for found in report.outputs.values()} == {1e-4}


@pytest.mark.parametrize(
    ("graph", "fault"),
    [
        pytest.param(Graph.ENCODER, scale("encoder.1.feed_forward.contract.weight", 1.001), id="a weight by 1e-3"),
        pytest.param(Graph.PLAIN_STEP, scale("decoder.1.cross_attention.output.weight", 1.001), id="of plain steps"),
        pytest.param(Graph.TEACHER_FORCED, drop_mask, id="the future seen"),
    ],
)
def test_a_wrong_export_of_a_large_model_is_refused_on_fewer_sentences(
    checkpoint: LoadedCheckpoint, exported: Path, tmp_path: Path, graph: Graph, fault: Fault
) -> None:
    wrong = copy_with_fault(exported, tmp_path / "wrong", graph, fault)
    sample = make_up_sample(checkpoint, effort=LARGE)

    with pytest.raises(ParityError, match="Nothing was published"):
        verify_export(
            "tiny",
            Origin(lambda: checkpoint, LARGE),
            lambda: open_unverified(wrong, checkpoint),
            sample,
            progress=QUIET,
        )
