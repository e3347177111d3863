"""Sources as values: a second kind, features instead of text, answered by the same engine through the same places."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exported_models.contract.documents import TraceDocument
from exported_models.contract.errors import ArtefactError, RequestError
from exported_models.contract.manifest import SourceSpec, load_model_manifest
from exported_models.contract.publishing import publish
from exported_models.contract.request import AttentionOverride, HeadAblation, Request
from exported_models.contract.source import Source
from exported_models.contract.wishes import Attend, Choose, StartOver, Substitute
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sources import SOURCE_READERS
from exported_models.search.scoring import force_batch

TEXT = "abc de"
SPEC = SourceSpec(kind="features", input="source_features")


@dataclass(frozen=True)
class FeatureReader:
    """Reads a JSON list of feature rows."""

    def read(self, payload: str, *, cut: bool = False) -> Source:  # noqa: ARG002 (features have no limit)
        features = np.array(json.loads(payload), np.float32)
        if features.ndim != 2:
            raise RequestError("The features are no list of rows.", field="source")
        places = range(len(features))
        return Source(
            payload=payload,
            key=hashlib.sha256(features.tobytes()).hexdigest(),
            tokens=tuple(f"frame {place}" for place in places),
            spans=((0, 0),) * len(features),
            words=tuple(places),
            features=features,
        )


def read_features(path: Path, width: int) -> None:
    """Let an encoder of token ids read one-hot rows of features instead."""
    graph = onnx.load(path)
    kept = [entry for entry in graph.graph.input if entry.name != "source_ids"]
    wanted = helper.make_tensor_value_info(SPEC.input, TensorProto.FLOAT, ["sentences", "source", width])
    del graph.graph.input[:]
    graph.graph.input.extend([wanted, *kept])
    graph.graph.node.insert(0, helper.make_node("ArgMax", [SPEC.input], ["source_ids"], axis=2, keepdims=0))
    onnx.save(graph, path)


@pytest.fixture(scope="module")
def features_engine(model: ExportedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine over the random model, whose encoder reads features."""
    root = tmp_path_factory.mktemp("features")
    staged, workspace = root / "staged", Workspace(root)
    shutil.copytree(model.folder, staged, ignore=shutil.ignore_patterns("*.json"))
    for name in model.manifest.files:
        shutil.copy(model.folder / name, staged / name)
    read_features(staged / "encoder.onnx", len(model.source_tokenizer.tokens))
    manifest = load_model_manifest(model.folder).model_copy(update={"source": SPEC, "model_id": "features"})
    workspace.models_folder.mkdir()
    publish(staged, workspace.models_folder / "features", manifest.for_publishing(), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCE_READERS, SPEC.kind, lambda _manifest, _tokenizer: FeatureReader())
        yield Engine(workspace, threads=1)


def write_features(model: ExportedModel, text: str) -> str:
    """The one-hot rows of a text's tokens, as a request names them."""
    ids = model.source_tokenizer.encode(text, end=True).ids
    return json.dumps(np.eye(len(model.source_tokenizer.tokens), dtype=int)[list(ids)].tolist())


@pytest.mark.parametrize(
    "what_if",
    [
        {},
        {"beam_size": 1},
        {"prefix": ("u", "v")},
        {"overrides": (AttentionOverride(2, ((1, 1.0),)),)},
        {"ablations": (HeadAblation("cross", 0, 0),)},
    ],
)
def test_one_hot_features_are_answered_as_their_text_is(
    engine: Engine, features_engine: Engine, model: ExportedModel, what_if: dict[str, object]
) -> None:
    by_text = engine.translate(Request("random", TEXT, **what_if))  # type: ignore[arg-type]
    by_features = features_engine.translate(
        Request("features", write_features(model, TEXT), **what_if)  # type: ignore[arg-type]
    )

    assert [entry.tokens for entry in by_features.hypotheses] == [entry.tokens for entry in by_text.hypotheses]
    assert by_features.best.score == pytest.approx(by_text.best.score, abs=1e-5)
    attention, expected = by_features.attention(by_features.best), by_text.attention(by_text.best)
    assert attention is not None
    assert expected is not None
    np.testing.assert_allclose(attention, expected, atol=1e-6)
    np.testing.assert_allclose(by_features.states("encoder"), by_text.states("encoder"), atol=1e-6)


def test_verbs_and_documents_speak_of_labeled_positions(features_engine: Engine, model: ExportedModel) -> None:
    trace = features_engine.translate(Request("features", write_features(model, TEXT)))

    changed = apply(Attend(1, ((2, 1.0),)), trace, trace.best)
    chosen = features_engine.translate(apply(Choose(1, 1), trace, trace.best).request)

    assert changed.words == "2: attention → “frame 2”"
    assert chosen.source.key == trace.source.key
    assert [entry.token for entry in TraceDocument.of(trace).source] == [f"frame {place}" for place in range(7)]
    again = features_engine.translate(apply(StartOver(write_features(model, "dd")), trace, trace.best).request)
    assert len(again.source) == 3
    with pytest.raises(RequestError, match="no source word 0 that stands for text"):
        apply(Substitute(0, "b"), trace, trace.best)


def test_a_payload_that_cannot_be_read_is_refused_by_its_reader(features_engine: Engine) -> None:
    with pytest.raises(RequestError, match="no list of rows"):
        features_engine.translate(Request("features", "[1, 2]"))


def test_ragged_features_are_encoded_in_one_batch(features_engine: Engine, model: ExportedModel) -> None:
    opened = features_engine.model("features")
    texts, target = (TEXT, "dd", "a h"), model.target_tokenizer.encode("uvw", end=True).ids
    features = [opened.read_source(write_features(model, text)).rows for text in texts]
    by_text = force_batch(model, [model.read_source(text).rows for text in texts], [target] * 3)

    for found, expected in zip(force_batch(opened, features, [target] * 3), by_text, strict=True):
        np.testing.assert_allclose(found.log_probs, expected.log_probs, atol=1e-5)
        np.testing.assert_allclose(found.states["encoder"], expected.states["encoder"], atol=1e-6)


def test_a_kind_that_this_version_does_not_know_is_named(features_engine: Engine) -> None:
    folder = features_engine.workspace.model_folder("features")

    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(SOURCE_READERS, SPEC.kind)
        with pytest.raises(ArtefactError, match="sources of the kind 'features'; this version of Beamscope knows text"):
            ExportedModel.open(folder, threads=1)
