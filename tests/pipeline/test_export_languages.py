"""Languages that a project file or an export names are the model's own, and so those of the store's corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import transformers

from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import load_tokenizer
from pipeline.build.building import build
from pipeline.build.project_file import load_project
from pipeline.corpus.pair_tokens import PairTokenizer
from pipeline.corpus.readers import SentencePair
from pipeline.errors import CheckpointError, ProjectFileError
from pipeline.export.checkpoints import PlannedExport, load_checkpoint, plan_model
from pipeline.export.languages import LanguageChoice
from pipeline.models.checkpoint import NO_TARGET_LANGUAGE
from pipeline.progress import SilentProgress
from state_store.store import StateStore
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tagged_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PAIR = SentencePair("the quick fox", "the lazy dog", 1)
CODES = {"mbart": ("fr_XX", "de_DE"), "nllb": ("fra_Latn", "eng_Latn")}
PROJECT = """
[model]
id = "tiny"
checkpoint = "checkpoint"

[corpus]
train = "train.tsv"
from = "fr"
to = "en"
"""


def _plan(family: str, folder: Path, source: str | None, target: str | None) -> PlannedExport:
    checkpoint = save_tagged_checkpoint(family, folder / "checkpoint")
    return plan_model(Workspace(folder), "tiny", checkpoint, None, languages=LanguageChoice(source, target))


@pytest.mark.parametrize("family", sorted(CODES))
def test_a_corpus_is_read_in_the_languages_that_are_named(family: str, tmp_path: Path) -> None:
    planned = _plan(family, tmp_path, "fr", CODES[family][1])
    folder = tmp_path / "tokenizers"
    manifest = planned.write_tokenizers(folder)
    sides = (load_tokenizer(folder, spec, manifest) for spec in (manifest.source_tokenizer, manifest.target_tokenizer))
    read = PairTokenizer(manifest, *sides).read(PAIR)
    library: Any = transformers.AutoTokenizer.from_pretrained(str(planned.checkpoint))
    library.src_lang, tag = CODES[family][0], library.convert_tokens_to_ids(CODES[family][1])
    assert list(read.source_ids) == library(PAIR.source)["input_ids"]
    inner = library(PAIR.target, add_special_tokens=False)["input_ids"]
    # mBART's targets start with the tag, which so is none of their tokens.
    first = [tag] if family == "nllb" else []
    assert list(read.target_ids) == [*first, *inner, manifest.end_id]
    assert (manifest.start_id == tag) == (family == "mbart")
    assert manifest.languages is not None
    assert (manifest.languages.source, manifest.languages.target) == CODES[family]


@pytest.mark.parametrize("family", sorted(CODES))
def test_the_reference_starts_as_the_model_does(family: str, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(_plan(family, tmp_path, None, CODES[family][1]))
    library: Any = transformers.AutoTokenizer.from_pretrained(str(tmp_path / "checkpoint"))
    tag = library.convert_tokens_to_ids(CODES[family][1])
    generation = checkpoint.generation.model_copy(update={"beam_size": 1, "max_length": 4})
    found = checkpoint.reference.search([11, 12, checkpoint.end_id], generation)[0].token_ids
    assert (found[0] == tag) == (family == "nllb")
    assert checkpoint.start_id == (tag if family == "mbart" else 2)
    assert NO_TARGET_LANGUAGE not in checkpoint.notices


def test_a_model_of_other_languages_is_another_model(tmp_path: Path) -> None:
    plans = [_plan("nllb", tmp_path, *languages) for languages in ((None, None), ("fr", None), (None, "fr"))]
    assert len({plan.fingerprint for plan in plans}) == 3


def test_a_language_that_the_model_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="tiny has no language 'xx'; it has deu_Latn, eng_Latn, fra_Latn"):
        load_checkpoint(_plan("nllb", tmp_path, "xx", None))


def test_a_project_file_names_languages_as_the_command_line_does(tmp_path: Path) -> None:
    path = tmp_path / "project.toml"
    path.write_text(PROJECT)
    corpus = load_project(path).content.corpus
    assert (corpus.source_language, corpus.target_language) == ("fr", "en")
    path.write_text(PROJECT.replace("from =", "form ="))
    with pytest.raises(ProjectFileError, match=r"there is no key 'corpus.form'; did you mean 'from'\?"):
        load_project(path)


@pytest.mark.oracle
@pytest.mark.slow
def test_a_store_is_built_in_the_languages_of_its_project(tmp_path: Path) -> None:
    save_tagged_checkpoint("nllb", tmp_path / "checkpoint")
    (tmp_path / "project.toml").write_text(PROJECT)
    (tmp_path / "train.tsv").write_text("".join(f"the quick fox {end}\tthe lazy dog {end}\n" for end in "abcdefgh"))
    workspace = Workspace(tmp_path / "workspace")
    build(load_project(tmp_path / "project.toml"), workspace, progress=SilentProgress())
    from exported_models.engine import Engine

    model = Engine(workspace, threads=1).model("tiny")
    store = StateStore.open(workspace.store_folder("tiny"), model)
    pair = store.pairs[0]
    assert model.source_tokenizer.encode(pair.source, end=True).tokens[0] == "fra_Latn"
    assert model.target_tokenizer.encode(pair.target, end=True).tokens[0] == "eng_Latn"
