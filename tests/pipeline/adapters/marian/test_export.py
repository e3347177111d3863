"""A native Marian model is exported, searched and intervened in like any other; what is not honored is said."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from exported_models.contract.graphs import Graph
from exported_models.contract.request import AttentionOverride, Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.search.self_attention import find_self_attention
from pipeline.adapters import digest_checkpoint, find_adapter, load_adapter
from pipeline.export.checkpoints import export_model
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.marian.tiny_models import SSRU, VOCABULARY, pack_binary, save_tiny_model, train_vocabulary

# The export alone takes more than five seconds.
pytestmark = pytest.mark.slow

TEXT = "the quick brown fox"
RECURRENT = {name.replace("-", "_"): value for name, value in SSRU.items()}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SSRU in intgemm8 with a shortlist beside it."""
    folder = save_tiny_model(
        tmp_path_factory.mktemp("ssru"),
        "model.bin",
        partial(pack_binary, quantized_kind=0x4101),
        **RECURRENT,
        enc_depth=1,
        dec_depth=2,
    )
    (folder / "lex.50.50.bin").write_bytes(bytes.fromhex("f51734018dd41af1") + bytes(48))
    return folder


@pytest.fixture(scope="module")
def engine(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The model exported, and so verified against Marian's own computation and a search that shares no code."""
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    export_model(checkpoint, None, "tiny", workspace, progress=SilentProgress())
    return Engine(workspace, threads=1)


def test_a_folder_and_a_file_are_recognized(checkpoint: Path) -> None:
    assert find_adapter(checkpoint) == "marian"
    assert find_adapter(checkpoint / "model.bin") == "marian"


def test_a_file_is_another_checkpoint_with_another_vocabulary(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    before = digest_checkpoint(copy / "model.bin")
    assert before == digest_checkpoint(checkpoint / "model.bin")

    (copy / "vocab.spm").write_bytes(train_vocabulary(50))

    assert digest_checkpoint(copy / "model.bin") != before


def test_the_manifest_says_what_is_honored_and_what_is_not(engine: Engine) -> None:
    manifest = engine.model("tiny").manifest

    assert manifest.parity is not None
    assert manifest.parity.beam_sentences_equal == manifest.parity.beam_sentences == 50
    assert (manifest.generation.beam_size, manifest.generation.length_penalty) == (3, 0.6)
    assert manifest.generation.suppressed_ids == (1, manifest.start_id)
    assert (manifest.start_id, manifest.end_id) == (VOCABULARY, 0)
    recorded = [space.name for space in manifest.spaces if space.kind == "recorded"]
    assert recorded == ["encoder", "decoder", "context"]
    assert Graph.TEACHER_FORCED.filename not in manifest.files
    notices = " ".join(manifest.notices)
    for words in ("stored as integers", "shortlist lex.50.50.bin", "max-length-factor=2.5"):
        assert words in notices


def test_a_prefix_and_an_override_change_what_follows(engine: Engine) -> None:
    trace = engine.translate(Request("tiny", TEXT))
    forced = engine.translate(Request("tiny", TEXT, prefix=trace.best.tokens[:3]))
    moved = engine.translate(
        Request("tiny", TEXT, overrides=(AttentionOverride(1, ((0, 1.0),), layer=None, head=None),))
    )

    assert len(trace.hypotheses) == 3
    assert forced.best.tokens[:3] == trace.best.tokens[:3]
    assert moved.best.log_probs[0] == pytest.approx(trace.best.log_probs[0], abs=1e-4)
    assert not np.allclose(moved.best.log_probs[1], trace.best.log_probs[1], atol=1e-3)


def test_the_encoder_attends_to_itself_and_the_recurrent_decoder_does_not(engine: Engine) -> None:
    trace = engine.translate(Request("tiny", TEXT))
    tokens = len(trace.source)

    found = find_self_attention(engine.model("tiny"), trace, trace.best)

    assert found is not None
    assert found.encoder.shape == (1, 4, tokens, tokens)
    np.testing.assert_allclose(found.encoder.sum(axis=-1), 1.0, atol=1e-5)
    assert found.decoder.shape[0] == 0


def test_the_zero_embedding_is_the_start_alone(engine: Engine, checkpoint: Path) -> None:
    """It is a token with a name, so that it can be shown, which no search ever produces."""
    tokens = engine.model("tiny").target_tokenizer.tokens
    source = load_adapter("marian").load(checkpoint)

    best = engine.translate(Request("tiny", TEXT, top_k=VOCABULARY, beam_size=1))

    assert tokens[source.start_id] == "<s>"
    assert len(tokens) == VOCABULARY + 1
    assert all(entry.log_prob < -1e6 for step in best.top_k(best.best) for entry in step if entry.token == "<s>")
