"""g2p-en, a model without attention: it exports, says the phonemes the package says, and has no context space."""

from __future__ import annotations

import importlib
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exported_models.contract.errors import RequestError
from exported_models.contract.request import AttentionOverride, Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from pipeline.adapters import find_adapter, load_adapter
from pipeline.adapters.g2p import INSTALLED, find_g2p_en
from pipeline.adapters.installed import find_installed
from pipeline.errors import CheckpointError
from pipeline.export.checkpoints import export_model
from pipeline.progress import SilentProgress

_ONSETS = (
    "b",
    "br",
    "ch",
    "d",
    "f",
    "gl",
    "h",
    "j",
    "kn",
    "l",
    "m",
    "ph",
    "qu",
    "r",
    "scr",
    "st",
    "th",
    "v",
    "w",
    "z",
    "",
)
_NUCLEI = ("a", "ai", "e", "ee", "i", "igh", "o", "oo", "ou", "u", "y")
_CODAS = ("b", "ck", "dge", "ff", "ing", "l", "mn", "nt", "rm", "ss", "tch", "tion", "x", "")


def make_words(count: int) -> list[str]:
    """Words that are in no dictionary, of one to four syllables."""
    generator = random.Random(11)
    return [
        "".join(
            generator.choice(_ONSETS) + generator.choice(_NUCLEI) + generator.choice(_CODAS)
            for _ in range(generator.randint(1, 4))
        )
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    workspace = Workspace(tmp_path_factory.mktemp("g2p"))
    assert find_adapter(find_g2p_en()) == "g2p"
    export_model(find_g2p_en(), None, "g2p", workspace, progress=SilentProgress())
    return Engine(workspace, threads=1)


@pytest.fixture(scope="module")
def predict() -> Iterator[Callable[[str], list[str]]]:
    """The package's own prediction. Importing it downloads a dictionary and a tagger, which prediction does not use."""
    nltk = pytest.importorskip("nltk")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nltk.data, "find", lambda name: name)
        patched.setattr("nltk.corpus.cmudict", _NoDictionary())
        yield importlib.import_module("g2p_en").G2p().predict


class _NoDictionary:
    def dict(self) -> dict[str, Any]:
        return {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the package's and its dependencies' own
def test_the_best_of_one_beam_is_what_the_package_says(engine: Engine, predict: Callable[[str], list[str]]) -> None:
    words = make_words(200)
    found = [engine.model("g2p").target_tokenizer.decode(_best(engine, word)) for word in words]
    assert found == [" ".join(predict(word)) for word in words]


def _best(engine: Engine, word: str) -> tuple[int, ...]:
    return engine.translate(Request("g2p", word)).best.token_ids


@pytest.mark.slow
def test_there_is_no_attention_and_nothing_pretends(engine: Engine) -> None:
    manifest = engine.model("g2p").manifest
    assert not manifest.has_attention
    assert [space.name for space in manifest.spaces] == ["encoder", "decoder", "source_embedding", "target_embedding"]
    assert manifest.parity is not None
    assert manifest.parity.attention is None
    assert manifest.parity.beam_sentences_equal == manifest.parity.beam_sentences
    trace = engine.translate(Request("g2p", "beamscope", beam_size=3))
    assert all(step.attention is None for step in trace.steps)
    with pytest.raises(RequestError, match="no attention"):
        engine.translate(Request("g2p", "beamscope", overrides=(AttentionOverride(0, ((0, 1.0),)),)))


@pytest.mark.slow
def test_phonemes_are_scored_and_forced_between_spaces(engine: Engine) -> None:
    best = engine.translate(Request("g2p", "beamscope")).best
    text = engine.model("g2p").target_tokenizer.decode(best.token_ids)
    score = engine.score(Request("g2p", "beamscope"), text)
    assert score.score == pytest.approx(best.score, abs=1e-4)
    forced = engine.translate(Request("g2p", "beamscope", prefix=("P",)))
    assert forced.best.tokens[0] == "P"
    with pytest.raises(RequestError, match="'Q', number 2 of the text, is not in the model's vocabulary"):
        engine.score(Request("g2p", "beamscope"), "B Q")


def test_the_package_is_found_by_name_and_its_folder_by_content() -> None:
    assert find_installed(INSTALLED) == find_g2p_en()
    assert load_adapter("g2p").recognizes(find_g2p_en().parent)
    assert not load_adapter("g2p").recognizes(Path(__file__).parent)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint20.npz"
    shutil.copy(find_g2p_en(), path)
    arrays = dict(np.load(path))
    for change, message in (
        ({"fc_b": arrays["fc_b"] * np.nan}, "weights that are not finite, in fc_b"),
        ({"enc_emb": arrays["enc_emb"][:, :-1]}, "arrays of other shapes"),
        ({"fc_b": np.array([{}], dtype=object)}, "damaged, or not the checkpoint"),
    ):
        np.savez(path, **{**arrays, **change})
        assert load_adapter("g2p").recognizes(tmp_path)
        with pytest.raises(CheckpointError, match=message):
            load_adapter("g2p").load(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    assert not load_adapter("g2p").recognizes(path)
    with pytest.raises(CheckpointError, match="damaged"):
        load_adapter("g2p").load(path)
