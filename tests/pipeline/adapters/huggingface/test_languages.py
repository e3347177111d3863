"""Languages of a request: the tokens that the library's tokenizers give for them, and what ``generate`` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import CheckpointOrigin, ModelManifest
from exported_models.contract.request import Request
from exported_models.contract.wishes import SetLanguages
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply, revise
from exported_models.engine import Engine
from exported_models.runtime.languages import find_language, set_languages
from exported_models.runtime.model import load_tokenizer
from exported_models.search.self_attention import find_self_attention
from exported_models.search.states import find_states
from pipeline.adapters import load_adapter
from pipeline.graphs.export import describe_model, write_graphs
from pipeline.models.checkpoint import LoadedCheckpoint
from tests.oracles.library import Library, compare
from tests.pipeline.adapters.huggingface.tiny_checkpoints import save_tagged_checkpoint, save_tiny_checkpoint
from tests.pipeline.tiny_exports import open_unverified

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Case = tuple[str, Path, LoadedCheckpoint]
CODES = {
    "nllb": ("fra_Latn", "eng_Latn"),
    "m2m100": ("fr", "de"),
    "mbart": ("fr_XX", "ro_RO"),
    "mbart50": ("fr_XX", "de_DE"),
}
LINE = "the quick fox"


@pytest.fixture(scope="module", params=sorted(CODES))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = save_tagged_checkpoint(request.param, tmp_path_factory.mktemp(request.param))
    return request.param, folder, load_adapter("huggingface").load(folder)


def _describe(source: LoadedCheckpoint) -> ModelManifest:
    return describe_model(source, "tiny", CheckpointOrigin(adapter="huggingface", name="tiny", digest="0"))


def test_a_source_is_framed_as_the_librarys(case: Case, tmp_path: Path) -> None:
    family, folder, source = case
    reads, writes = CODES[family]
    for name, content in source.tokenizer_files.items():
        (tmp_path / name).write_bytes(content)
    manifest = set_languages(_describe(source), reads, writes)
    own = load_tokenizer(tmp_path, manifest.source_tokenizer, manifest)
    library: Any = transformers.AutoTokenizer.from_pretrained(str(folder))
    library.src_lang = reads
    assert list(own.encode(LINE, end=True).ids) == library(LINE)["input_ids"]


def test_the_target_begins_as_the_family_does_it(case: Case) -> None:
    family, folder, source = case
    library: Any = transformers.AutoTokenizer.from_pretrained(str(folder))
    tag = library.convert_tokens_to_ids(f"__{CODES[family][1]}__" if family == "m2m100" else CODES[family][1])
    manifest = set_languages(_describe(source), *CODES[family])
    if family == "mbart":
        assert (manifest.start_id, manifest.generation.forced_first_id) == (tag, None)
    else:
        assert (manifest.start_id, manifest.generation.forced_first_id) == (source.start_id, tag)


@pytest.mark.parametrize("wanted", ["eng_Latn", "ENG-latn", "eng", "en", None])
def test_a_language_is_found_by_what_people_write(tmp_path: Path, wanted: str | None) -> None:
    source = load_adapter("huggingface").load(save_tagged_checkpoint("nllb", tmp_path))
    assert find_language(_describe(source), wanted, "source") == "eng_Latn"
    with pytest.raises(RequestError, match=r"tiny has no language 'xx'; it has deu_Latn, eng_Latn, fra_Latn\."):
        find_language(_describe(source), "xx", "target")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, Library, Path]:
    """An engine over an NLLB from English to German, and the library's own model."""
    root = tmp_path_factory.mktemp("served")
    checkpoint = save_tagged_checkpoint("nllb", root / "checkpoint")
    source = load_adapter("huggingface").load(checkpoint)
    workspace = Workspace(root)
    folder = workspace.root / "exported_models" / "tiny"
    write_graphs(source, folder)
    open_unverified(folder, source)
    return Engine(workspace, threads=1), Library(checkpoint), checkpoint


def _generate(served: tuple[Engine, Library, Path], reads: str, writes: str) -> Any:
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(served[2]), src_lang=reads)
    ids = tokenizer(LINE)["input_ids"]
    return served[1].generate(ids, forced_bos_token_id=tokenizer.convert_tokens_to_ids(writes))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["fra_Latn", "eng_Latn"])
def test_a_search_writes_the_language_of_its_request(served: tuple[Engine, Library, Path], target: str) -> None:
    trace = served[0].translate(Request("tiny", LINE, source_language="fra", target_language=target))
    assert (trace.request.source_language, trace.request.target_language) == ("fra_Latn", target)
    assert trace.source.tokens[0] == "fra_Latn"
    compare(trace, _generate(served, "fra_Latn", target))


@pytest.mark.slow
def test_without_languages_they_are_the_models(served: tuple[Engine, Library, Path]) -> None:
    trace = served[0].translate(Request("tiny", LINE))
    assert (trace.request.source_language, trace.request.target_language) == ("eng_Latn", "deu_Latn")
    compare(trace, _generate(served, "eng_Latn", "deu_Latn"))


@pytest.mark.slow
def test_another_language_is_a_what_if(served: tuple[Engine, Library, Path]) -> None:
    engine = served[0]
    trace = engine.translate(Request("tiny", LINE, prefix=("deu_Latn",)))
    edit = apply(SetLanguages(target="fra_Latn"), trace, trace.best)
    assert (edit.words, edit.request.prefix) == ("to fra_Latn", ())
    changed = engine.translate(edit.request)
    assert changed.best.tokens[0] == "fra_Latn"
    back = engine.translate(revise(changed.request.as_request(), SetLanguages(target="default")))
    assert back.hypotheses == engine.translate(Request("tiny", LINE)).hypotheses


@pytest.mark.slow
def test_states_and_self_attention_are_of_the_same_reading(served: tuple[Engine, Library, Path]) -> None:
    engine = served[0]
    trace = engine.translate(Request("tiny", LINE, source_language="fra_Latn"))
    states = find_states(engine.model("tiny"), trace, "decoder_layer_0")
    attention = find_self_attention(engine.model("tiny"), trace, trace.best)
    assert len(states) == len(trace.best.tokens)
    assert attention is not None
    assert attention.encoder.shape[-1] == len(trace.source)


@pytest.mark.slow
def test_what_the_vocabulary_lacks_is_in_the_record(served: tuple[Engine, Library, Path]) -> None:
    trace = served[0].translate(Request("tiny", "fox ñ"))
    assert [trace.source.payload[slice(*trace.source.spans[place])] for place in trace.source.unknown] == ["ñ"]


@pytest.mark.slow
def test_a_longer_source_is_refused_with_both_numbers_or_cut(served: tuple[Engine, Library, Path]) -> None:
    engine, limit = served[0], 64
    long = "fox " * 40
    with pytest.raises(RequestError, match=rf"The source text has 163 tokens; tiny reads at most {limit}\."):
        engine.translate(Request("tiny", long))
    source = engine.translate(Request("tiny", long, cut_source=True, max_length=3)).source
    assert (len(source), source.cut) == (limit, 163 - limit)
    assert (source.tokens[0], source.tokens[-1]) == ("eng_Latn", "</s>")


def test_a_name_of_several_languages_is_refused_with_all_of_them(tmp_path: Path) -> None:
    source = load_adapter("huggingface").load(save_tagged_checkpoint("nllb", tmp_path))
    manifest = _describe(source)
    assert manifest.languages is not None
    tags = {"zho_Hans": 1, "zho_Hant": 2}
    several = manifest.model_copy(update={"languages": manifest.languages.model_copy(update={"tags": tags})})
    with pytest.raises(RequestError, match="'zh' may be several languages of tiny; name one of zho_Hans, zho_Hant"):
        find_language(several, "zh", "target")
    with pytest.raises(RequestError, match="tiny has no source language to choose; leave 'en' out"):
        find_language(manifest.model_copy(update={"languages": None}), "en", "source")


def test_marian_reads_the_target_language_before_the_text(tmp_path: Path) -> None:
    folder = save_tiny_checkpoint("marian", tmp_path / "checkpoint")
    vocabulary = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps({**vocabulary, ">>fra<<": 80, ">>deu<<": 81}))
    source = load_adapter("huggingface").load(folder)
    for name, content in source.tokenizer_files.items():
        (tmp_path / name).write_bytes(content)
    manifest = set_languages(_describe(source), None, find_language(_describe(source), "fra", "target"))
    own = load_tokenizer(tmp_path, manifest.source_tokenizer, manifest)
    library: Any = transformers.AutoTokenizer.from_pretrained(str(folder))
    assert list(own.encode(LINE, end=True).ids) == library(f">>fra<< {LINE}")["input_ids"]
    assert own.encode(f">>deu<< {LINE}", end=True).ids[:2] == tuple(library(f">>deu<< {LINE}")["input_ids"][:2])
