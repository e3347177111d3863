"""The graphs of the shipped checkpoint: their contract, ragged batches, overrides, and parity with it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import pipeline.graphs.export
from exported_models.contract.errors import WorkspaceError
from exported_models.contract.graphs import ENCODER_INPUTS, STEP_INPUTS, STEP_NORMALIZER, STEP_OUTPUTS, Graph
from exported_models.contract.manifest import GenerationDefaults, ModelManifest, ParityReport, load_model_manifest
from exported_models.contract.publishing import Digest, digest_file
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel
from exported_models.search.scoring import force_batch
from pipeline.adapters import load_adapter
from pipeline.errors import CheckpointError, ParityError
from pipeline.export.checkpoints import export_graphs, export_model, plan_model, verify_graphs
from pipeline.export.planned import find_model, publish_model
from pipeline.graphs.export import seal
from pipeline.models.checkpoint import LoadedCheckpoint, ReferenceHypothesis, ReferenceModel, ReferenceSentence
from pipeline.models.luong import LuongConfig, LuongModel, load_checkpoint, save_checkpoint
from pipeline.parity.sample import SamplePair, make_up_sample
from pipeline.parity.verify import verify_model
from pipeline.progress import SilentProgress
from state_store.pairs import StoredPair
from tests.artefacts import DATES

TEXTS = ("1 May 2003", "vendredi 15 février 2013", "2042年8月2日", "4 декабря 1996 г.", "3/4/05")
PAIR = StoredPair(0, "1 May 2003", "2003-05-01", 1)
QUIET = SilentProgress()


@pytest.fixture(scope="module")
def source() -> LoadedCheckpoint:
    return load_adapter("luong").load(DATES / "checkpoint")


@pytest.fixture(scope="module")
def pairs(dates_model: ExportedModel) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    sources = [dates_model.source_tokenizer.encode(text, end=True).ids for text in TEXTS]
    targets = [dates_model.target_tokenizer.encode("2003-05-01"[: 4 + n], end=True).ids for n in range(len(TEXTS))]
    return sources, targets


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a tiny model, whose own outputs are as good as any for comparing."""
    folder = tmp_path_factory.mktemp("untrained")
    checkpoint = load_checkpoint(DATES / "checkpoint")
    sizes = {"embedding": 4, "encoder_units": 4, "decoder_units": 6}
    config = LuongConfig(len(checkpoint.source_vocabulary), len(checkpoint.target_vocabulary), **sizes)
    torch.manual_seed(0)
    save_checkpoint(folder, LuongModel(config), checkpoint.source_vocabulary, checkpoint.target_vocabulary)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, untrained: Path) -> Workspace:
    """A workspace with graphs of the tiny model, exported and not verified; tests change copies of it."""
    workspace = Workspace(tmp_path_factory.mktemp("exported"))
    assert not export_graphs(plan_model(workspace, "tiny", untrained, None), progress=QUIET).cached
    return workspace


@pytest.fixture
def begun(exported: Workspace, tmp_path: Path) -> Workspace:
    """A copy of `exported`."""
    return Workspace(Path(shutil.copytree(exported.root, tmp_path / "begun")))


def test_graphs_have_the_names_and_types_of_the_contract(dates_model: ExportedModel) -> None:
    encoder = onnx.load(dates_model.folder / Graph.ENCODER.filename).graph
    step = onnx.load(dates_model.folder / Graph.DECODER_STEP.filename).graph
    assert [tensor.name for tensor in encoder.input] == [spec.name for spec in ENCODER_INPUTS]
    manifest = dates_model.manifest
    (encoder_space,) = manifest.spaces_of("source", "recorded")
    assert encoder.output[0].name == encoder_space.output
    assert [tensor.name for tensor in step.input][: len(STEP_INPUTS)] == [spec.name for spec in STEP_INPUTS]
    states = [space.output for space in manifest.spaces_of("target", "recorded")]
    outputs = [tensor.name for tensor in step.output if not tensor.name.startswith("next.")]
    assert outputs == [*(spec.name for spec in STEP_OUTPUTS), *states, STEP_NORMALIZER.name]
    masks = {tensor.name: tensor.type.tensor_type.elem_type for tensor in (*encoder.input, *step.input)}
    assert masks["source_mask"] == masks["override_on"] == onnx.TensorProto.BOOL


def test_graphs_tell_nothing_of_the_machine_they_were_made_on(dates_model: ExportedModel) -> None:
    for graph in (Graph.ENCODER, Graph.DECODER_STEP):
        content = (dates_model.folder / graph.filename).read_bytes()
        assert b".py" not in content
        assert str(Path.cwd()).encode() not in content


@pytest.mark.slow
def test_equal_weights_give_equal_bytes(tmp_path: Path, untrained: Path, exported: Workspace) -> None:
    plans = [plan_model(workspace, "tiny", untrained, None) for workspace in (exported, Workspace(tmp_path))]
    assert not export_graphs(plans[1], progress=QUIET).cached
    first, second = ({path.name: digest_file(path) for path in plan.staged.iterdir()} for plan in plans)
    assert first == second


def test_the_manifest_keeps_the_figures_of_the_parity_check(dates_model: ExportedModel) -> None:
    parity = dates_model.manifest.parity
    assert parity is not None
    assert max(parity.log_prob, parity.attention or 0, parity.state) <= 1e-4
    assert parity.beam_sentences_equal == parity.beam_sentences == 200


def test_a_ragged_batch_gives_what_each_sentence_gives_alone(
    dates_model: ExportedModel, pairs: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]]
) -> None:
    together = force_batch(dates_model, *pairs)
    for source, target, found in zip(*pairs, together, strict=True):
        (alone,) = force_batch(dates_model, [source], [target])
        for space, states in alone.states.items():
            np.testing.assert_allclose(found.states[space], states, atol=1e-5)
        np.testing.assert_allclose(found.log_probs, alone.log_probs, atol=1e-5)
        assert found.attention is not None
        assert alone.attention is not None
        np.testing.assert_allclose(found.attention, alone.attention, atol=1e-5)


def test_an_override_replaces_attention_where_it_is_on_and_nowhere_else(
    dates_model: ExportedModel, pairs: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]]
) -> None:
    sources, targets = pairs[0][:1], pairs[1][:1]
    own = force_batch(dates_model, sources, targets)[0]
    width = len(sources[0])
    wanted = np.full((1, 1, 1, width), 1 / width, np.float32)

    def override(step: int) -> tuple[np.ndarray, np.ndarray] | None:
        return (wanted, np.full((1, 1, 1), step == 2)) if step in (1, 2) else None

    found = force_batch(dates_model, sources, targets, override)[0]
    assert own.attention is not None
    assert found.attention is not None
    np.testing.assert_allclose(found.attention[:2], own.attention[:2], atol=1e-6)
    np.testing.assert_allclose(found.attention[2, 0, 0], wanted[0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found.states["context"][2], own.states["encoder"].mean(axis=0), atol=1e-5)


def test_a_perturbed_source_model_fails_parity_and_the_message_says_where(
    dates_model: ExportedModel, source: LoadedCheckpoint
) -> None:
    sample = make_up_sample(source, 4)
    perturbed = load_adapter("luong").load(DATES / "checkpoint")
    with torch.no_grad():
        perturbed.decoder_step.get_parameter("model.key_projection.weight").mul_(1.01)
    with pytest.raises(ParityError) as failure:
        verify_model(perturbed, dates_model, sample, progress=QUIET)
    assert "attention differ by" in str(failure.value)
    assert "made-up sentence" in str(failure.value)
    assert "Nothing was published" in str(failure.value)
    assert "encoder states" not in str(failure.value)


@pytest.mark.slow
def test_a_failing_parity_check_publishes_nothing(begun: Workspace, untrained: Path) -> None:
    plan = plan_model(begun, "tiny", untrained, None)
    export_graphs(plan, progress=QUIET)
    graph = onnx.load(plan.staged / Graph.ENCODER.filename)
    bias = next(entry for entry in graph.graph.initializer if entry.name.endswith("hidden_bridge.bias"))
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 0.1, bias.name))
    onnx.save(graph, plan.staged / Graph.ENCODER.filename)
    with pytest.raises(ParityError, match="decoder states differ"):
        verify_graphs(plan, None, progress=QUIET)
    assert begun.model_ids() == ()
    with pytest.raises(ParityError):
        verify_graphs(plan, None, progress=QUIET)


@pytest.mark.slow
def test_a_verification_that_is_cut_off_is_made_again(
    begun: Workspace, untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_model(begun, "tiny", untrained, None)
    export_graphs(plan, progress=QUIET)

    def cut_off(folder: Path, manifest: ModelManifest, parity: ParityReport | None, digest: Digest) -> ModelManifest:
        if parity is not None:
            raise KeyboardInterrupt
        return seal(folder, manifest, parity, digest)

    with monkeypatch.context() as patched:
        patched.setattr(pipeline.graphs.export, "seal", cut_off)
        with pytest.raises(KeyboardInterrupt):
            verify_graphs(plan, [PAIR], progress=QUIET)
    assert find_model(plan) is None
    published = publish_model(plan, verify_graphs(plan, [PAIR], progress=QUIET))
    assert published.changed
    assert published.manifest.parity is not None


@pytest.mark.slow
def test_another_manifest_over_the_same_graphs_is_a_change(tmp_path: Path, untrained: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(untrained, checkpoint)
    workspace = Workspace(tmp_path / "workspace")
    published = []
    for note in ("trained on Sunday", "trained on Monday"):
        (checkpoint / "notes.txt").write_text(note, encoding="utf-8")
        plan = plan_model(workspace, "tiny", checkpoint, None)
        export_graphs(plan, progress=QUIET)
        made = publish_model(plan, verify_graphs(plan, [PAIR], progress=QUIET))
        assert made.changed
        published.append((made.manifest.content_hash, workspace.model_folder("tiny")))
    assert published[0][0] == published[1][0]
    assert published[0][1] != published[1][1]


class Rearranged:
    """A source model whose best hypothesis begins otherwise, for one sentence of a sample."""

    def __init__(self, reference: ReferenceModel, sentence: Sequence[int], *, tied: bool) -> None:
        self._reference = reference
        self._sentence = tuple(sentence)
        self._tied = tied
        self._real: tuple[int, ...] = ()
        self._other: tuple[int, ...] = ()
        self._found: dict[tuple[int, ...], tuple[ReferenceHypothesis, ...]] = {}

    def force(self, source_ids: Sequence[int], target_ids: Sequence[int]) -> ReferenceSentence:
        same = self._tied and tuple(target_ids) == self._other
        return self._reference.force(source_ids, self._real if same else target_ids)

    def search(self, source_ids: Sequence[int], generation: GenerationDefaults) -> tuple[ReferenceHypothesis, ...]:
        key = tuple(source_ids)
        if key not in self._found:
            self._found[key] = self._reference.search(source_ids, generation)
        if key != self._sentence:
            return self._found[key]
        best, *others = self._found[key]
        self._real = best.token_ids
        self._other = (*best.token_ids[1:2], *best.token_ids[1:])
        return ReferenceHypothesis(self._other, best.score), *others


def test_a_list_that_differs_is_refused_unless_the_source_model_scores_both_alike(
    dates_model: ExportedModel, source: LoadedCheckpoint
) -> None:
    texts = ("1 May 2003", "vendredi 15 février 2013")
    first, second = (
        SamplePair(
            text,
            dates_model.source_tokenizer.encode(text, end=True).ids,
            dates_model.target_tokenizer.encode("2003-05-01", end=True).ids,
        )
        for text in texts
    )
    # One wrong list among a hundred.
    sample = [*[first] * 99, second]
    wrong = Rearranged(source.reference, second.source_ids, tied=False)
    with pytest.raises(ParityError, match=r"for vendredi 15 février 2013 where .* is right"):
        verify_model(replace(source, reference=wrong), dates_model, sample, progress=QUIET)
    tied = Rearranged(source.reference, second.source_ids, tied=True)
    report = verify_model(replace(source, reference=tied), dates_model, [first, second], progress=QUIET)
    assert (report.beam_sentences_equal, report.beam_sentences) == (1, 2)


@pytest.mark.slow
def test_an_export_publishes_once_and_then_changes_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    first = export_model(DATES / "checkpoint", None, "days", workspace, progress=QUIET)
    folder = workspace.model_folder("days")
    second = export_model(DATES / "checkpoint", "luong", "days", workspace, progress=QUIET)
    assert (first.changed, second.changed) == (True, False)
    assert workspace.model_folder("days") == folder
    assert first.model_hash == second.model_hash == load_model_manifest(folder).content_hash


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot name a model"):
        export_model(DATES / "checkpoint", None, "../dates", Workspace(tmp_path), progress=QUIET)


@pytest.mark.parametrize("damage", ["truncated weights", "missing vocabulary", "no weights"])
def test_a_damaged_checkpoint_is_refused_and_nothing_is_published(tmp_path: Path, damage: str) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for path in (DATES / "checkpoint").iterdir():
        (checkpoint / path.name).write_bytes(path.read_bytes())
    weights = checkpoint / "model.safetensors"
    if damage == "truncated weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "no weights":
        weights.unlink()
    else:
        (checkpoint / "target_vocabulary.json").unlink()
    workspace = Workspace(tmp_path / "workspace")
    with pytest.raises(CheckpointError, match=str(checkpoint)):
        export_model(checkpoint, None, "dates", workspace, progress=QUIET)
    assert workspace.model_ids() == ()


def test_publishing_needs_a_verified_model(tmp_path: Path, untrained: Path) -> None:
    plan = plan_model(Workspace(tmp_path), "tiny", untrained, None)
    assert find_model(plan) is None
    export_graphs(plan, progress=QUIET)
    assert find_model(plan) is None
