"""CTranslate2 folders: the exported modules and the reference compute and search as CTranslate2 itself does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from exported_models.contract.manifest import (
    GenerationDefaults,
    SentencePieceSpec,
    TokenizerJsonSpec,
    WordTokenizerSpec,
)
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from pipeline.adapters import find_adapter
from pipeline.adapters.ctranslate2 import CTranslate2Adapter
from pipeline.export.checkpoints import export_model
from pipeline.graphs.modules import EncoderGraph, ForcedGraph
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.ctranslate2.folders import FOLDERS, Peer, open_peer, save_folder

TOLERANCE = 1e-4
SENTENCES = 5

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module", params=sorted(FOLDERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_folder(request.param, tmp_path_factory.mktemp("ctranslate2") / request.param)


@pytest.fixture(scope="module")
def source(folder: Path) -> LoadedCheckpoint:
    return CTranslate2Adapter().load(folder)


@pytest.fixture(scope="module")
def peer(folder: Path) -> Peer:
    return open_peer(folder)


def _list_pairs(source: LoadedCheckpoint, peer: Peer) -> list[tuple[list[int], list[int]]]:
    """Random tokens, each side with its end of sentence."""
    generator = np.random.default_rng(3)
    special = set(source.special_ids)
    usual = [index for index in range(len(peer.tokens)) if index not in special]
    return [
        (
            [*generator.choice(usual, length).tolist(), source.end_id],
            [*generator.choice(usual, 5).tolist(), source.end_id],
        )
        for length in range(3, 3 + SENTENCES)
    ]


@torch.inference_mode()
def test_the_modules_and_the_reference_give_what_ctranslate2_gives(source: LoadedCheckpoint, peer: Peer) -> None:
    for ids, target in _list_pairs(source, peer):
        wanted, reference, found = (
            peer.score(ids, target),
            source.reference.force(ids, target),
            _force(source, ids, target),
        )
        np.testing.assert_allclose(reference.log_probs, wanted, atol=TOLERANCE)
        np.testing.assert_allclose(found["scored_log_probs"], wanted, atol=TOLERANCE)
        assert reference.attention is not None
        np.testing.assert_allclose(found["cross_attention"], reference.attention, atol=TOLERANCE)
        for space in source.spaces:
            if space.kind != "table":
                scale = max(1.0, float(np.abs(reference.states[space.name]).max()))
                np.testing.assert_allclose(found[space.output], reference.states[space.name], atol=TOLERANCE * scale)


def _force(source: LoadedCheckpoint, ids: list[int], target: list[int]) -> dict[str, torch.Tensor]:
    """Outputs of the modules for one pair."""
    encoder, forced = EncoderGraph(source), ForcedGraph(source)
    grids = {"head_mask": source.encoder_self_attention, "decoder_head_mask": source.decoder_self_attention}
    tensors = {
        "source_ids": torch.tensor([ids]),
        "source_mask": torch.ones(1, len(ids), dtype=torch.bool),
        "previous_ids": torch.tensor([[source.start_id, *target[:-1]]]),
        "scored_ids": torch.tensor([target]),
        **{name: torch.ones(grid.layers, grid.heads) for name, grid in grids.items() if grid is not None},
    }
    for graph in (encoder, forced):
        outputs = graph(*(tensors[spec.name] for spec in graph.inputs))
        tensors |= dict(zip((spec.name for spec in graph.outputs), outputs, strict=True))
    return {name: values[0] for name, values in tensors.items()}


@pytest.mark.parametrize(("beam", "penalty"), [(1, 1.0), (3, 0.6)])
def test_searches_write_what_ctranslate2_writes(
    source: LoadedCheckpoint, peer: Peer, beam: int, penalty: float
) -> None:
    settings = GenerationDefaults(beam_size=beam, length_penalty=penalty, max_length=12)
    for ids, _ in _list_pairs(source, peer):
        for own, wanted in zip(source.reference.search(ids, settings), peer.search(ids, settings), strict=True):
            assert own.token_ids == wanted.token_ids
            assert own.score == pytest.approx(wanted.score, abs=TOLERANCE)


def test_texts_are_cut_by_the_tokenizer_of_the_folder(source: LoadedCheckpoint, folder: Path) -> None:
    kinds = {"marian": SentencePieceSpec, "nllb": TokenizerJsonSpec}
    assert isinstance(source.source_tokenizer, kinds.get(folder.name, WordTokenizerSpec))
    assert any("tokens between spaces" in notice for notice in source.notices) == (folder.name not in kinds)
    assert ("stored as integers" in source.architecture) == (FOLDERS[folder.name] in ("int8", "int16"))
    if folder.name == "nllb":
        assert source.languages is not None
        assert (source.languages.source, source.languages.target_tag) == ("eng_Latn", "first")
        assert sorted(source.languages.tags) == ["deu_Latn", "eng_Latn", "fra_Latn"]


@torch.inference_mode()
def test_sides_may_have_vocabularies_of_their_own(tmp_path: Path) -> None:
    """The same model with its source's tokens in another order, as the vocabulary of the source says."""
    folder = save_folder("umt5", tmp_path / "umt5")
    before = CTranslate2Adapter().load(folder)
    tokens = json.loads((folder / "shared_vocabulary.json").read_text(encoding="utf-8"))
    moved = [*tokens[40:], *tokens[:40]]
    (folder / "shared_vocabulary.json").unlink()
    (folder / "source_vocabulary.json").write_text(json.dumps(moved))
    (folder / "target_vocabulary.txt").write_text("\n".join(tokens) + "\n")
    after = CTranslate2Adapter().load(folder)
    names = json.loads(after.tokenizer_files["source_vocabulary.json"])
    same = [names.index(moved[index]) for index in (11, 23, 35, tokens.index("</s>"))]
    target = [41, 42, before.end_id]
    own = after.reference.force(same, target)
    wanted = before.reference.force([11, 23, 35, tokens.index("</s>")], target)
    np.testing.assert_allclose(own.log_probs, wanted.log_probs, atol=TOLERANCE)
    np.testing.assert_allclose(_force(after, same, target)["scored_log_probs"], wanted.log_probs, atol=TOLERANCE)
    assert after.end_id == names.index("</s>")


@pytest.mark.oracle
@pytest.mark.slow
def test_a_folder_is_exported_and_translates_as_ctranslate2(tmp_path: Path) -> None:
    """Marian's shape in int8: targets begin with zeros, which are a token that is never written."""
    folder = save_folder("marian", tmp_path / "marian")
    assert find_adapter(folder) == find_adapter(folder / "model.bin") == "ctranslate2"
    workspace = Workspace(tmp_path)
    export_model(folder, None, "tiny", workspace, progress=SilentProgress())
    engine, peer = Engine(workspace, threads=1), open_peer(folder)
    manifest = engine.model("tiny").manifest
    assert manifest.parity is not None
    assert manifest.parity.beam_sentences_equal == manifest.parity.beam_sentences
    assert manifest.generation.suppressed_ids == (manifest.start_id,) == (len(peer.tokens),)
    for text in ("the quick brown fox", "pack my box", "judge my vow"):
        trace = engine.translate(Request("tiny", text, beam_size=3, length_penalty=0.6, max_length=12))
        ids = engine.model("tiny").source_tokenizer.encode(text, end=True).ids
        wanted = peer.search(ids, GenerationDefaults(beam_size=3, length_penalty=0.6, max_length=12))
        assert [hypothesis.token_ids for hypothesis in trace.hypotheses] == [row.token_ids for row in wanted]
        for own, row in zip(trace.hypotheses, wanted, strict=True):
            assert own.normalized == pytest.approx(row.score, abs=TOLERANCE)
    assert not (tmp_path / "exported_models" / "tiny" / "model.bin").exists()
    shutil.rmtree(folder)
