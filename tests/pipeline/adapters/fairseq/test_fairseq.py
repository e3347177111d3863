"""fairseq's Transformers: the exported modules and the reference compute what the library's own ports compute."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exported_models.contract.manifest import SentencePieceSpec, WordTokenizerSpec
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from pipeline.adapters import find_adapter
from pipeline.adapters.fairseq import FairseqAdapter
from pipeline.errors import CheckpointError
from pipeline.export.checkpoints import export_model
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.fairseq.folders import FAMILIES, make_options, save_checkpoint, save_folder, take_weights
from tests.pipeline.adapters.graph_modules import run_modules
from tests.pipeline.adapters.marian.tiny_models import train_vocabulary

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TOLERANCE = 1e-4
PAIRS = (([15, 6, 7, 2], [25, 16, 2]), ([9, 2], [11, 2]), ([*range(4, 20), 2], [*range(24, 10, -1), 2]))
Case = tuple[Any, LoadedCheckpoint]


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("fairseq")
    model = save_folder(request.param, folder)
    return model, FairseqAdapter().load(folder)


@torch.inference_mode()
def test_the_modules_and_the_reference_give_what_the_library_gives(case: Case) -> None:
    model, source = case
    for ids, target in PAIRS:
        answer = model(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            decoder_input_ids=torch.tensor([[source.start_id, *target[:-1]]]),
            output_attentions=True,
            use_cache=False,
        )
        wanted = torch.log_softmax(answer.logits[0], -1).gather(1, torch.tensor(target)[:, None])[:, 0].numpy()
        attention = torch.stack([layer[0] for layer in answer.cross_attentions]).permute(2, 0, 1, 3).numpy()
        reference, found = source.reference.force(ids, target), run_modules(source, ids, target)
        np.testing.assert_allclose(reference.log_probs, wanted, atol=TOLERANCE)
        np.testing.assert_allclose(found["scored_log_probs"], wanted, atol=TOLERANCE)
        assert reference.attention is not None
        np.testing.assert_allclose(reference.attention, attention, atol=TOLERANCE)
        np.testing.assert_allclose(found["cross_attention"], attention, atol=TOLERANCE)
        for space in (space for space in source.spaces if space.kind != "table"):
            np.testing.assert_allclose(found[space.output], reference.states[space.name], atol=TOLERANCE)


@pytest.mark.slow
def test_it_is_found_verified_published_and_translates(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    save_folder("fsmt", folder)
    for file in (folder, folder / "checkpoint_best.pt"):
        assert find_adapter(file) == "fairseq"

    summary = export_model(folder, None, "fair", Workspace(tmp_path), progress=SilentProgress())

    assert summary.parity["beam_sentences_equal"] == summary.parity["beam_sentences"]
    trace = Engine(Workspace(tmp_path), threads=1).translate(Request("fair", "en3 en9 en4", max_length=6))
    assert len(trace.hypotheses) == 5


def test_settings_and_texts_are_fairseqs(case: Case) -> None:
    source = case[1]
    assert (source.pad_id, source.start_id, source.end_id) == (1, 2, 2)
    assert (source.generation.beam_size, source.generation.early_stopping) == (5, "first")
    assert source.generation.suppressed_ids == (1,)
    assert isinstance(source.source_tokenizer, WordTokenizerSpec)
    assert any("no single SentencePiece model" in notice for notice in source.notices)


def test_a_sentencepiece_model_beside_the_checkpoint_cuts_texts(tmp_path: Path) -> None:
    save_folder("m2m100", tmp_path)
    (tmp_path / "sentencepiece.bpe.model").write_bytes(train_vocabulary())
    assert isinstance(FairseqAdapter().load(tmp_path).source_tokenizer, SentencePieceSpec)


def test_options_of_newer_checkpoints_are_read(tmp_path: Path) -> None:
    model = save_folder("m2m100", tmp_path)
    options = make_options(model.config, "m2m100")
    task = {name: options.pop(name) for name in ("source_lang", "target_lang")}
    content = {"args": None, "cfg": {"model": options, "task": task}, "model": take_weights(model)}
    torch.save(content, tmp_path / "checkpoint_best.pt")
    assert FairseqAdapter().load(tmp_path).architecture.startswith("fairseq Transformer, ")


def _refuse(checkpoint: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        FairseqAdapter().load(checkpoint)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cross_self_attention": True}, "has cross_self_attention=True, which cannot be exported"),
        ({"activation_fn": "tanh"}, "has activation_fn='tanh', which cannot be exported"),
        ({"encoder_layers": None}, "does not say encoder_layers; is it that of a fairseq Transformer?"),
        ({"encoder_layers": 5}, "has no weights encoder.layers."),
        ({"decoder_layers": 1}, "weights that no supported model has, for instance decoder.layers.1"),
        ({"encoder_normalize_before": False}, "has normalize_before False in its encoder and True in its decoder"),
        ({"encoder_attention_heads": 7}, "heads, which do not fit"),
        ({"source_lang": None}, "does not say source_lang and target_lang"),
        ({"target_lang": "fr"}, "has no dict.fr.txt"),
    ],
)
def test_what_cannot_be_exported_is_said(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    save_folder("m2m100", tmp_path, **changes)
    assert words in _refuse(tmp_path)


def test_what_is_missing_or_damaged_is_said(tmp_path: Path) -> None:
    model = save_folder("fsmt", tmp_path)
    file, options = tmp_path / "checkpoint_best.pt", make_options(model.config, "fsmt")
    content = file.read_bytes()
    torch.save({"model": take_weights(model), "best_loss": Fraction(1, 2)}, file)
    assert "pickles fractions.Fraction, and reading that would run code of the file's choice" in _refuse(tmp_path)
    file.write_bytes(content[: len(content) // 2])
    assert "is damaged or cut short" in _refuse(tmp_path)
    torch.save({"args": None}, file)
    assert "holds no weights of a fairseq model" in _refuse(tmp_path)
    save_checkpoint(file, {"encoder.lstm.weight_ih_l0": torch.zeros(2)}, {**options, "arch": "lstm"})
    assert "is a fairseq model of lstm; its Transformers can be exported" in _refuse(tmp_path)
    file.write_bytes(content)
    (tmp_path / "dict.de.txt").write_text("one 5\ntwo 4\n")
    assert "dict.de.txt has 6 tokens, special ones included, but the model has embeddings for" in _refuse(tmp_path)
    (tmp_path / "dict.de.txt").write_text("one 5\ntwo\n")
    assert "dict.de.txt, line 2: 'two' has no count behind its token" in _refuse(tmp_path)
    file.rename(tmp_path / "7.pt")
    (tmp_path / "8.pt").write_bytes(b"")
    assert "is no folder with a checkpoint_best.pt, a model.pt or a single .pt" in _refuse(tmp_path)
