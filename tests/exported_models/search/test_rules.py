"""Rules of generation settings: the n-grams of a prefix grow with it, and find what listing all of them finds."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exported_models.contract.manifest import GenerationDefaults
from exported_models.contract.trace import PrunedBy
from exported_models.search.rules import Said, TokenRules

START, END = 0, 3
ids = st.integers(0, 4)
paths = st.lists(ids, max_size=14).map(tuple)


def make_rules(size: int, source_size: int = 0, source: tuple[int, ...] = ()) -> TokenRules:
    generation = GenerationDefaults(max_length=2000, ngram_size=size, source_ngram_size=source_size)
    grams = make_grams(source, source_size)
    return TokenRules(generation, START, END, grams, active=True)


def make_grams(read: tuple[int, ...], size: int) -> dict[tuple[int, ...], frozenset[int]]:
    """All but the last token of each run -> every last token; by looking at each pair of places."""
    if not size:
        return {}
    runs = [read[place : place + size] for place in range(len(read) - size + 1)]
    return {run[:-1]: frozenset(other[-1] for other in runs if other[:-1] == run[:-1]) for run in runs}


def extend(rules: TokenRules, path: tuple[int, ...]) -> Said:
    said = rules.begin()
    for token_id in path:
        said = rules.extend(said, token_id)
    return said


@given(paths, paths, st.integers(0, 4), st.integers(0, 3))
def test_growing_n_grams_rule_out_what_listing_all_of_them_does(
    path: tuple[int, ...], source: tuple[int, ...], size: int, source_size: int
) -> None:
    rules = make_rules(size, source_size, source)
    read = (START, *path)
    expected = set[int]()
    if 0 < size <= len(read):
        expected |= make_grams(read, size).get(read[len(read) - size + 1 :], frozenset())
    if 0 < source_size <= len(read) + 1:
        expected |= make_grams(source, source_size).get(read[len(read) - source_size + 1 :], frozenset())

    assert rules.find(extend(rules, path)) == dict.fromkeys(expected, PrunedBy.REPEATED)
    assert rules.find(rules.begin(path)) == dict.fromkeys(expected, PrunedBy.REPEATED)


def test_a_token_that_the_request_forbids_too_is_still_ruled_out_by_the_model() -> None:
    rules = replace(make_rules(1), forbidden=(((1,), None), ((2,), None)))
    said = extend(rules, (1,))

    assert rules.find(said) == {START: PrunedBy.REPEATED, 1: PrunedBy.FORBIDDEN, 2: PrunedBy.FORBIDDEN}
    assert rules.find_of_settings(said) == {START: PrunedBy.REPEATED, 1: PrunedBy.REPEATED}


@given(paths, ids, ids)
def test_prefixes_that_branch_do_not_see_each_other(path: tuple[int, ...], one: int, other: int) -> None:
    rules = make_rules(2)
    said = extend(rules, path)
    before = rules.find(said)

    branches = rules.extend(said, one), rules.extend(said, other)

    assert rules.find(said) == before
    assert [rules.find(branch) for branch in branches] == [
        rules.find(extend(rules, (*path, token_id))) for token_id in (one, other)
    ]


def test_a_long_prefix_writes_few_entries_a_token() -> None:
    rules, length = make_rules(3), 1024
    said, written = rules.begin(), 0
    for token_id in random.Random(0).choices(range(30_000), k=length):
        longer = rules.extend(said, token_id)
        kept = {id(grams) for grams in said.grams}
        written += sum(len(grams) for grams in longer.grams if id(grams) not in kept)
        said = longer

    assert written <= length * math.log2(length)
