"""Comparisons of answered requests of a small model, whose parts are checked against the traces themselves."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from exported_models.comparison.alignment import Change
from exported_models.comparison.comparison import Comparison, compare
from exported_models.comparison.documents import ComparisonDocument
from exported_models.comparison.reference import compare_with_reference
from exported_models.comparison.sides import Side
from exported_models.comparison.trees import Found, find_lost
from exported_models.contract.errors import RequestError
from exported_models.contract.request import AttentionOverride, Request
from exported_models.contract.trace import Fate, PrunedBy
from exported_models.engine import Engine
from tests.exported_models.conftest import MODEL_ID

SOURCE = "abc fed"


def open_side(engine: Engine, request: Request, rank: int = 0) -> Side:
    return Side.of(engine.model(request.model_id), engine.translate(request), rank)


def compare_requests(engine: Engine, before: Request, after: Request) -> Comparison:
    return compare(open_side(engine, before), open_side(engine, after))


def test_equal_sides_differ_in_nothing(engine: Engine) -> None:
    found = compare_requests(engine, Request(MODEL_ID, SOURCE), Request(MODEL_ID, SOURCE))

    assert {column.change for column in (*found.columns, *found.words, *found.source)} == {Change.EQUAL}
    assert (found.split, found.score_change, found.changed_words, found.not_compared) == (None, 0.0, 0, ())
    assert found.attention is not None
    assert found.trees is not None
    assert found.attention.list_moves(least=1e-9) == ()
    assert found.trees.count(Found.BOTH) == len(found.before.trace.nodes) - 1
    assert (found.trees.lost_before, found.trees.lost_after) == (None, None)


def test_scores_that_other_rules_weigh_are_said_not_to_compare(engine: Engine) -> None:
    plain = Request(MODEL_ID, SOURCE)
    longer, penalized = replace(plain, length_penalty=0.0), replace(plain, repetition_penalty=1.01)
    lengths, repetitions = (compare_requests(engine, plain, other) for other in (longer, penalized))

    assert lengths.not_compared == (
        "The searches differ in length penalty: a higher score of one does not make its translation better.",
    )
    assert repetitions.not_compared[0].startswith("The searches differ in repetition penalty: ")
    assert [one.weighed for one in (*lengths.scores, *repetitions.scores)] == [False, False, False, True]
    assert compare_requests(engine, penalized, penalized).not_compared == ()


def test_both_distributions_stand_at_the_first_step_where_sides_part(engine: Engine) -> None:
    before = engine.translate(Request(MODEL_ID, SOURCE))
    second = before.top_k(before.best)[2][1].token
    found = compare_requests(
        engine, Request(MODEL_ID, SOURCE), Request(MODEL_ID, SOURCE, prefix=(*before.best.tokens[:2], second))
    )

    assert found.split is not None
    assert (found.split.step_before, found.split.token_before) == (2, before.best.tokens[2])
    assert (found.split.step_after, found.split.token_after) == (2, second)
    assert found.split.before == before.top_k(before.best)[2]
    assert [choice.token for choice in found.split.after] == [choice.token for choice in found.split.before]


def test_attention_moves_where_it_was_overridden(engine: Engine) -> None:
    before = engine.translate(Request(MODEL_ID, SOURCE, beam_size=1))
    override = AttentionOverride(1, ((3, 1.0),))
    found = compare_requests(
        engine,
        Request(MODEL_ID, SOURCE, beam_size=1),
        Request(MODEL_ID, SOURCE, beam_size=1, prefix=before.best.tokens[:2], overrides=(override,)),
    )

    assert found.attention is not None
    assert found.columns[1].before == found.columns[1].after == (1,)
    row = np.eye(len(before.source), dtype=np.float32)[3]
    attention = before.attention(before.best)
    assert attention is not None
    np.testing.assert_allclose(found.attention.difference()[1], row - attention[1, 0, 0], atol=1e-6)
    moves = found.attention.list_moves()
    assert all(first.difference**2 >= second.difference**2 for first, second in itertools.pairwise(moves))


def test_a_wider_beam_says_where_the_narrow_one_lost_its_winner(engine: Engine) -> None:
    for source in ("abc fed", "hgf", "badge", "aa bb cc", "hah"):
        narrow, wide = (engine.translate(Request(MODEL_ID, source, beam_size=size)) for size in (1, 6))
        lost = find_lost(narrow, wide.best)
        if lost is not None and lost.pruned_by is PrunedBy.BEAM:
            break
    else:
        pytest.fail("no source makes the narrow search lose the better translation")
    assert lost.rank is not None
    candidate = narrow.steps[lost.step].candidates[lost.rank]
    assert candidate.token == wide.best.tokens[lost.step]
    assert tuple(node.token for node in narrow.path(candidate.parent)) == wide.best.tokens[: lost.step]
    worst = min(one.score for one in narrow.steps[lost.step].candidates if one.fate is not Fate.PRUNED)
    assert lost.behind == pytest.approx(worst - candidate.score)


def test_a_path_kept_beside_the_beam_is_lost_where_the_beam_lost_it(engine: Engine) -> None:
    for source in ("abc fed", "hgf", "badge", "aa bb cc", "hah"):
        narrow, wide = (engine.translate(Request(MODEL_ID, source, beam_size=size)) for size in (1, 6))
        lost = find_lost(narrow, wide.best)
        if lost is not None:
            break
    else:
        pytest.fail("no source makes the narrow search lose the better translation")
    path = wide.best.tokens[: lost.step + 1]
    kept = engine.translate(Request(MODEL_ID, source, beam_size=1, kept=(path,)))
    again = find_lost(kept, wide.best)
    found = compare_requests(engine, narrow.request, kept.request)

    assert again is not None
    assert (again.step, again.token, again.rank, again.pruned_by) == (lost.step, lost.token, lost.rank, lost.pruned_by)
    assert again.behind == pytest.approx(lost.behind)
    assert found.trees is not None
    assert found.trees.count(Found.BOTH) == len(narrow.nodes) - 1
    assert found.trees.count(Found.AFTER) == 0
    assert found.trees.beside == len(kept.nodes) - len(narrow.nodes) > 0


def test_overlaid_trees_hold_every_prefix_of_both_once(engine: Engine) -> None:
    found = compare_requests(engine, Request(MODEL_ID, SOURCE, beam_size=2), Request(MODEL_ID, SOURCE, beam_size=4))
    assert found.trees is not None

    paths: list[tuple[str, ...]] = [()]
    for node in found.trees.nodes[1:]:
        paths.append((*paths[node.parent], node.token))
    assert len(set(paths)) == len(paths)
    for side, trace in (("before", found.before.trace), ("after", found.after.trace)):
        own = {path for path, node in zip(paths, found.trees.nodes, strict=True) if getattr(node, side) is not None}
        assert own == {tuple(node.token for node in trace.path(index)) for index in range(len(trace.nodes))}


@settings(max_examples=15)
@given(st.text("abcdefgh ", min_size=1, max_size=8).filter(str.strip), st.integers(1, 3), st.integers(1, 3))
def test_exchanged_sides_mirror_each_other(engine: Engine, other: str, size: int, more: int) -> None:
    one, two = Request(MODEL_ID, SOURCE, beam_size=size), Request(MODEL_ID, other, beam_size=more)
    found, mirrored = compare_requests(engine, one, two), compare_requests(engine, two, one)

    assert mirrored.score_change == pytest.approx(-found.score_change)
    assert mirrored.changed_words == found.changed_words
    assert len(mirrored.columns) == len(found.columns)
    assert mirrored.trees is not None
    assert found.trees is not None
    assert mirrored.trees.count(Found.BEFORE) == found.trees.count(Found.AFTER)
    assert (mirrored.trees.lost_before, mirrored.trees.lost_after) == (found.trees.lost_after, found.trees.lost_before)


def test_models_with_other_vocabularies_are_aligned_by_words(engine: Engine) -> None:
    side = open_side(engine, Request(MODEL_ID, SOURCE))
    tokenizer = side.model.target_tokenizer
    foreign = replace(side.model, target_tokenizer=replace(tokenizer, tokens=(*tokenizer.tokens, "!")))  # type: ignore[type-var]
    found = compare(side, replace(side, model=foreign))

    assert found.trees is None
    assert [column.change for column in found.columns] == [Change.EQUAL] * len(found.columns)
    assert sorted(place for column in found.columns for place in column.before) == list(
        range(len(side.hypothesis.tokens))
    )
    assert "different target vocabularies" in found.not_compared[0]


def test_a_reference_is_scored_under_both_sides(engine: Engine) -> None:
    before, after = (open_side(engine, Request(MODEL_ID, source)) for source in (SOURCE, "hgf"))
    text = before.hypothesis.text

    found = compare_with_reference(engine, before, after, text)

    assert {column.change for column in found.before.columns} == {Change.EQUAL}
    assert found.before.chrf == pytest.approx(100)
    assert found.after.chrf == sacrebleu.sentence_chrf(after.hypothesis.text, [text]).score
    assert found.before.forced is not None
    assert found.before.forced.score == pytest.approx(before.hypothesis.score, abs=1e-4)
    steps = zip(before.hypothesis.tokens, before.trace.top_k(before.hypothesis), strict=True)
    assert found.before.leaves == next((n for n, (token, top) in enumerate(steps) if token != top[0].token), None)


def test_a_reference_in_another_script_is_compared_by_words_and_says_why(engine: Engine) -> None:
    side = open_side(engine, Request(MODEL_ID, SOURCE))

    found = compare_with_reference(engine, side, side, "東京")

    assert (found.before.forced, found.before.columns) == (None, ())
    assert "東" in found.before.reason
    assert found.before.words
    with pytest.raises(RequestError, match="reference is empty"):
        compare_with_reference(engine, side, side, " ")


def test_the_document_holds_the_comparison(engine: Engine) -> None:
    before, after = (open_side(engine, Request(MODEL_ID, source)) for source in (SOURCE, "hgf"))
    found = compare(before, after, compare_with_reference(engine, before, after, after.hypothesis.text))

    document = ComparisonDocument.model_validate_json(ComparisonDocument.of(found).to_json())

    assert document.before.tokens == list(before.hypothesis.tokens)
    assert math.isclose(document.score_change, found.score_change, abs_tol=1e-5)
    assert document.trees is not None
    assert found.trees is not None
    assert len(document.trees.nodes) == len(found.trees.nodes)
    assert document.reference is not None
    assert document.reference.after.bleu == pytest.approx(100)
