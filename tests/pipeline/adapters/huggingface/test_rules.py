"""Searches under a model's generation rules are those of ``generate``: n-best lists, scores, forced prefixes."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForSeq2SeqLM

from exported_models.completion import complete_request, search_settings
from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import GenerationDefaults
from exported_models.contract.request import ForbiddenPhrase, Request
from exported_models.contract.source import Source
from exported_models.contract.trace import Fate, PrunedBy, Trace
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from exported_models.search.greedy import translate_batch
from exported_models.search.search import record_source, search
from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.adapters.huggingface.reference import HuggingFaceReference
from pipeline.graphs.export import write_graphs
from tests.changed_exports import copy_changed, leave_out_normalizers, leave_out_plain_step
from tests.pipeline.adapters.huggingface.tiny_checkpoints import TEXTS, save_tiny_checkpoint
from tests.pipeline.tiny_exports import open_unverified

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Unfeasible length constraints:UserWarning"),
]

LENGTH = 12
BY_RULE = {PrunedBy.MIN_LENGTH, PrunedBy.REPEATED, PrunedBy.BAD_WORDS}
TOLERANCE = 1e-4
RULES: Mapping[str, dict[str, Any]] = {
    "none": {},
    "min_length": {"min_length": 6},
    "no n-gram twice": {"ngram_size": 2},
    "no token twice": {"ngram_size": 1},
    "no n-gram of the source": {"source_ngram_size": 1},
    "no pair of the source": {"source_ngram_size": 2, "ngram_size": 3},
    "bad words": {"bad_sequences": "frequent pairs"},
    "bad beginnings": {"begin_suppressed_ids": "frequent first"},
    "bad after a forced first": {"begin_suppressed_ids": "frequent first", "forced_first_id": 30},
    "what was said counts for less": {"repetition_penalty": 1.6},
    "what was said counts for more": {"repetition_penalty": 0.6},
    "all": {
        "repetition_penalty": 1.3,
        "min_length": 5,
        "ngram_size": 2,
        "bad_sequences": "frequent pairs",
        "suppressed_ids": (40, 41),
    },
}


@dataclass(frozen=True, slots=True)
class Pair:
    """The exported model and the library's own."""

    exported: ExportedModel
    reference: HuggingFaceReference

    def translate(self, source_ids: tuple[int, ...], prefix: tuple[int, ...] = (), **settings: Any) -> Trace:
        tokens = tuple(self.exported.target_tokenizer.tokens[token_id] for token_id in prefix)
        asked = Request("tiny", "", prefix=tokens, **{"max_length": LENGTH, **settings})
        request = complete_request(asked, self.exported)
        names = tuple(self.exported.source_tokenizer.tokens[token_id] for token_id in source_ids)
        source = Source("", "", names, ((0, 0),) * len(names), (0,) * len(names), source_ids)
        recording = record_source(self.exported, source)
        return search(self.exported, request, search_settings(request, self.exported), source, recording)

    def under(self, rules: Mapping[str, Any], folder: Path) -> Pair:
        """The same model with other generation settings."""
        shutil.copytree(self.exported.folder, folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["generation"] |= rules
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return Pair(ExportedModel.open(folder, threads=1), self.reference)

    def changed(self, change: Callable[[Path], object], folder: Path) -> Pair:
        """The same model with other graphs."""
        return Pair(ExportedModel.open(copy_changed(self.exported.folder, folder, change), threads=1), self.reference)

    @property
    def generation(self) -> GenerationDefaults:
        return self.exported.manifest.generation.model_copy(update={"max_length": LENGTH})


def _make_sentence(generator: random.Random) -> tuple[int, ...]:
    """Of few different tokens, so that they repeat."""
    return (*generator.choices(range(20, 28), k=generator.randrange(2, 8)), 2)


def _sources() -> list[tuple[int, ...]]:
    generator = random.Random(3)
    return [_make_sentence(generator) for _ in range(6)]


def _train(checkpoint: Path) -> None:
    """Teach a checkpoint to copy, for two seconds: it ends its sentences, and is not sure of its words."""
    generator = random.Random(1)
    torch.manual_seed(1)
    library: Any = AutoModelForSeq2SeqLM
    model = library.from_pretrained(str(checkpoint)).train()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(0.4)  # what is made for branching beams is too large to learn from
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(80):
        rows = [torch.tensor(_make_sentence(generator)) for _ in range(32)]
        ids = pad_sequence(rows, batch_first=True)
        labels = ids.masked_fill(ids == 0, -100)
        loss = model(input_ids=ids, attention_mask=(ids != 0).long(), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with quiet_library():
        model.eval().save_pretrained(checkpoint)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    root = tmp_path_factory.mktemp("rules")
    checkpoint = save_tiny_checkpoint("bart", root / "checkpoint")
    _train(checkpoint)
    source = load_adapter("huggingface").load(checkpoint)
    # A search needs no more than these two graphs; every output is there that any rules want.
    penalized = source.generation.model_copy(update={"repetition_penalty": 2.0})
    write_graphs(replace(source, generation=penalized, teacher_forced=None, self_attention=None), root / "tiny")
    assert isinstance(source.reference, HuggingFaceReference)
    return Pair(open_unverified(root / "tiny", source), source.reference)


def _fill_in(rules: Mapping[str, Any], plain: Pair) -> dict[str, Any]:
    """Rules against what the model says without them."""
    said = [entry.token_ids for ids in _sources() for entry in plain.translate(ids).hypotheses]
    filled = dict(rules)
    if "bad_sequences" in rules:
        pairs = {ids[at : at + 2] for ids in said for at in range(1, len(ids) - 1)}
        filled["bad_sequences"] = [*sorted(pairs)[::2], (9, 9, 9), (plain.exported.manifest.start_id, said[0][0])]
    if "begin_suppressed_ids" in rules:
        filled["begin_suppressed_ids"] = sorted({ids[0] for ids in said} | {ids[1] for ids in said if len(ids) > 1})
    return filled


@pytest.fixture(scope="module", params=list(RULES))
def pair(request: pytest.FixtureRequest, plain: Pair, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    rules = _fill_in(RULES[request.param], plain)
    return plain.under(rules, tmp_path_factory.mktemp("model") / "tiny")


def _assert_equal(trace: Trace, wanted: list[tuple[tuple[int, ...], float]]) -> None:
    found = [(hypothesis.token_ids, hypothesis.normalized) for hypothesis in trace.hypotheses]
    assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=TOLERANCE)
    assert [ids for ids, _ in found] == [ids for ids, _ in wanted]


def test_every_rule_changes_what_is_said(plain: Pair, tmp_path: Path) -> None:
    """So that the comparisons below compare something."""
    said = [plain.translate(ids).best.token_ids for ids in _sources()]
    for number, rules in enumerate(RULES.values()):
        pair = plain.under(_fill_in(rules, plain), tmp_path / f"{number}" / "tiny")
        assert not rules or [pair.translate(ids).best.token_ids for ids in _sources()] != said, rules


@pytest.mark.parametrize("beam", [1, 4])
def test_a_search_finds_what_generate_finds(pair: Pair, beam: int) -> None:
    for ids in _sources():
        wanted = pair.reference.search(ids, pair.generation.model_copy(update={"beam_size": beam}))
        _assert_equal(pair.translate(ids, beam_size=beam), [(entry.token_ids, entry.score) for entry in wanted])


def test_a_model_with_rules_is_made_to_search_step_by_step(plain: Pair) -> None:
    assert plain.exported.beam_search is None


def test_a_batch_is_translated_greedily_under_the_same_rules(pair: Pair) -> None:
    found = translate_batch(pair.exported, _sources(), max_length=LENGTH)
    alone = [pair.translate(ids, beam_size=1, early_stopping="first").best for ids in _sources()]
    assert [translation.token_ids for translation in found] == [best.token_ids for best in alone]


def test_a_prefix_is_what_generate_is_allowed(pair: Pair) -> None:
    """Also where the rules forbid a token of the prefix, which then costs nothing."""
    generator = random.Random(7)
    for ids in _sources():
        best = pair.translate(ids).best.token_ids
        prefix = (*best[: generator.randrange(1, len(best))], best[0], best[0])[: LENGTH - 2]
        if 2 in prefix:
            continue
        _assert_equal(pair.translate(ids, prefix), _generate(pair, ids, prefix))


def _generate(pair: Pair, source_ids: tuple[int, ...], prefix: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
    everything = list(range(len(pair.exported.target_tokenizer.tokens)))

    def allow(_: int, ids: Tensor) -> list[int]:
        return [prefix[len(ids) - 1]] if len(ids) - 1 < len(prefix) else everything

    settings = pair.reference.library_settings(pair.generation)
    ids = torch.tensor([source_ids])
    model: Any = pair.reference.model
    with torch.inference_mode():
        answer = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            generation_config=settings,
            prefix_allowed_tokens_fn=allow,
        )
    rows = [row[1:] for row in answer.sequences.tolist()]
    cut = [tuple(row[: row.index(2) + 1] if 2 in row else row) for row in rows]
    return list(zip(cut, answer.sequences_scores.tolist(), strict=True))


def test_phrases_that_a_request_forbids_are_bad_words_of_generate(plain: Pair) -> None:
    names = plain.exported.target_tokenizer.tokens
    for ids in _sources():
        said = [entry.token_ids for entry in plain.translate(ids).hypotheses]
        slices = {one[at : at + size] for one in said[::2] for at, size in ((0, 1), (1, 2), (2, 3))}
        # `generate` takes no notice of a phrase that is the end of sentence alone.
        phrases = sorted(slices - {(), (plain.exported.manifest.end_id,)})
        forbidden = tuple(ForbiddenPhrase(tuple(names[token_id] for token_id in phrase)) for phrase in phrases)
        wanted = plain.reference.search(ids, plain.generation.model_copy(update={"bad_sequences": tuple(phrases)}))
        trace = plain.translate(ids, forbidden=forbidden)
        assert trace.best.token_ids not in said
        _assert_equal(trace, [(entry.token_ids, entry.score) for entry in wanted])


@pytest.mark.parametrize(
    "rules",
    [
        {"min_length": 6},
        {"ngram_size": 1},
        {"source_ngram_size": 2, "ngram_size": 3},
        {"repetition_penalty": 1.6},
        {"repetition_penalty": 1.3, "min_length": 5, "ngram_size": 2, "source_ngram_size": 3},
    ],
)
def test_rules_of_a_request_are_those_of_generate(plain: Pair, rules: dict[str, Any]) -> None:
    settings = plain.generation.model_copy(update=rules)
    found = {ids: plain.translate(ids, **rules) for ids in _sources()}
    for ids, trace in found.items():
        wanted = plain.reference.search(ids, settings)
        _assert_equal(trace, [(entry.token_ids, entry.score) for entry in wanted])
    assert [trace.best.token_ids for trace in found.values()] != [plain.translate(ids).best.token_ids for ids in found]


def test_a_request_may_drop_the_rules_of_its_model(plain: Pair, tmp_path: Path) -> None:
    pair = plain.under(RULES["no token twice"] | {"repetition_penalty": 0.6, "min_length": 6}, tmp_path / "tiny")
    for ids in _sources():
        for beam in (1, 4):
            without = pair.translate(ids, beam_size=beam, ngram_size=0, repetition_penalty=1.0, min_length=0)
            assert without.hypotheses == plain.translate(ids, beam_size=beam).hypotheses


@pytest.mark.parametrize("has_plain_step", [True, False], ids=["plain step", "one step"])
def test_a_greedy_search_penalizes_logits_as_generate_does(plain: Pair, has_plain_step: bool, tmp_path: Path) -> None:
    """Whether the graph that runs it is one with interventions or without."""
    pair = plain if has_plain_step else plain.changed(leave_out_plain_step, tmp_path / "tiny")
    settings = plain.generation.model_copy(update={"repetition_penalty": 1.6, "beam_size": 1})
    for ids in _sources():
        (wanted,) = plain.reference.search(ids, settings)
        trace = pair.translate(ids, beam_size=1, repetition_penalty=1.6)
        _assert_equal(trace, [(wanted.token_ids, wanted.score)])
        went_on = pair.translate(ids, wanted.token_ids[:3], beam_size=1, repetition_penalty=1.6)
        _assert_equal(went_on, [(wanted.token_ids, wanted.score)])


def test_a_model_that_was_exported_without_normalizers_says_so(plain: Pair, tmp_path: Path) -> None:
    older = plain.changed(leave_out_normalizers, tmp_path / "older")
    (ids, *_) = _sources()
    for settings in ({"beam_size": 2, "repetition_penalty": 1.6}, {"beam_size": 1}):
        assert older.translate(ids, **settings).hypotheses == plain.translate(ids, **settings).hypotheses
    with pytest.raises(RequestError, match="export the model again, or choose a beam of at least 2"):
        older.translate(ids, beam_size=1, repetition_penalty=1.6)


def test_what_is_ruled_out_is_in_the_record(plain: Pair, tmp_path: Path) -> None:
    pair = plain.under({**_fill_in(RULES["all"], plain), "min_length": 9}, tmp_path / "tiny")
    steps = [step for ids in _sources() for step in pair.translate(ids).steps[:-1]]
    assert {candidate.pruned_by for step in steps for candidate in step.candidates} > BY_RULE
    for step in steps:
        scores = [candidate.score for candidate in step.candidates]
        assert scores == sorted(scores, reverse=True)
        assert [candidate.rank for candidate in step.candidates] == list(range(len(scores)))
        permitted = [candidate for candidate in step.candidates if candidate.pruned_by not in BY_RULE]
        assert len(permitted) == 2 * pair.generation.beam_size
        assert sum(candidate.fate is Fate.KEPT for candidate in step.candidates) == pair.generation.beam_size


def test_a_penalty_changes_scores_and_not_what_is_shown_of_the_model(plain: Pair, tmp_path: Path) -> None:
    pair = plain.under({"repetition_penalty": 1.6, "forces_end": False}, tmp_path / "tiny")
    start = pair.exported.manifest.start_id
    for ids in _sources():
        for hypothesis in pair.translate(ids).hypotheses:
            read = (start, *hypothesis.token_ids)
            own = pair.reference.force(ids, hypothesis.token_ids).log_probs.tolist()
            assert hypothesis.log_probs == pytest.approx(own, abs=TOLERANCE)
            counted = [
                1.6 * value if token in read[: step + 1] else value
                for step, (token, value) in enumerate(zip(hypothesis.token_ids, own, strict=True))
            ]
            assert hypothesis.score == pytest.approx(sum(counted), abs=TOLERANCE)


@pytest.mark.parametrize("beam", [1, 4])
def test_a_target_that_is_scored_under_a_penalty_counts_as_one_that_is_searched(
    plain: Pair, tmp_path: Path, beam: int
) -> None:
    pair = plain.under({"repetition_penalty": 1.6, "forces_end": False}, tmp_path / "exported_models" / "tiny")
    engine = Engine(Workspace(tmp_path), threads=1)
    for source, said in itertools.pairwise(TEXTS):
        target = f"{said} {said}"
        tokens = pair.exported.target_tokenizer.encode(target, end=True).tokens
        request = Request("tiny", source, prefix=tokens, beam_size=beam, max_length=len(tokens))
        searched, scored = engine.translate(request).best, engine.score(request, target)
        assert scored.log_probs.tolist() == pytest.approx(searched.log_probs, abs=TOLERANCE)
        assert scored.normalized == pytest.approx(searched.normalized, abs=TOLERANCE)
        assert abs(scored.score - scored.log_probs.sum()) > 0.1  # there is something to compare
