"""The reference search against Hugging Face's own: a toy model whose log-probabilities follow from the prefix alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import GenerationDefaults
from pipeline.reference.beam_search import beam_search

START, END, VOCABULARY = 0, 1, 6

Target = tuple[tuple[int, ...], float]


class Toy:
    """A random but fixed distribution for every prefix."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._prefixes: list[tuple[int, ...]] = [()]

    def __call__(self, tokens: Sequence[int], parents: Sequence[int]) -> Floats:
        self._prefixes = [(*self._prefixes[parent], token) for token, parent in zip(tokens, parents, strict=True)]
        return np.stack([self.log_probs(prefix) for prefix in self._prefixes])

    def log_probs(self, prefix: tuple[int, ...]) -> Floats:
        scores = np.random.default_rng([self._seed, *prefix]).normal(scale=2.0, size=VOCABULARY)
        return np.asarray(scores - np.log(np.exp(scores).sum()), np.float32)

    def score(self, tokens: Sequence[int]) -> float:
        prefixes = [(START, *tokens[:length]) for length in range(len(tokens))]
        return float(sum(self.log_probs(p)[token] for p, token in zip(prefixes, tokens, strict=True)))


def enumerate_targets(toy: Toy, longest: int, penalty: float) -> list[tuple[float, tuple[int, ...]]]:
    """Every finished or full-length target with its normalized score, best first."""
    found: list[Target] = []
    open_targets: list[Target] = [((), 0.0)]
    for length in range(1, longest + 1):
        following: list[Target] = []
        for tokens, score in open_targets:
            for token, log_prob in enumerate(toy.log_probs((START, *tokens)).tolist()):
                target = ((*tokens, token), score + log_prob)
                done = token == END or length == longest
                (found if done else following).append(target)
        open_targets = following
    return sorted(((score / len(tokens) ** penalty, tokens) for tokens, score in found), reverse=True)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 1.0]))
def test_a_beam_as_wide_as_the_tree_finds_the_best_target(seed: int, penalty: float) -> None:
    toy = Toy(seed)
    generation = GenerationDefaults(beam_size=40, max_length=3, length_penalty=penalty, early_stopping="never")
    found = beam_search(toy, generation, start_id=START, end_id=END)
    best_score, best = enumerate_targets(toy, 3, penalty)[0]
    assert found[0].token_ids == best
    assert found[0].score == pytest.approx(best_score, abs=1e-5)


@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.sampled_from([0.6, 1.0, 1.4]),
    st.sampled_from(["estimate", "first", "never"]),
)
def test_scores_are_those_of_the_tokens_and_the_list_is_in_order(
    seed: int, beam: int, penalty: float, early_stopping: str
) -> None:
    toy = Toy(seed)
    generation = GenerationDefaults.model_validate(
        {"beam_size": beam, "max_length": 6, "length_penalty": penalty, "early_stopping": early_stopping}
    )
    found = beam_search(toy, generation, start_id=START, end_id=END)
    assert 1 <= len(found) <= beam
    assert [hypothesis.score for hypothesis in found] == sorted((h.score for h in found), reverse=True)
    assert len({hypothesis.token_ids for hypothesis in found}) == len(found)
    for hypothesis in found:
        length = len(hypothesis.token_ids)
        assert hypothesis.score == pytest.approx(toy.score(hypothesis.token_ids) / length**penalty, abs=1e-5)
        assert END not in hypothesis.token_ids[:-1]
        assert hypothesis.token_ids[-1] == END or length == 6


@given(st.integers(0, 10_000))
def test_a_beam_of_one_takes_the_most_probable_token(seed: int) -> None:
    toy = Toy(seed)
    generation = GenerationDefaults(beam_size=1, max_length=8)
    (found,) = beam_search(toy, generation, start_id=START, end_id=END)[:1]
    # Ending is possible only for the best candidate; a worse one ends nothing.
    for length, token in enumerate(found.token_ids):
        assert token == int(np.argmax(toy.log_probs((START, *found.token_ids[:length]))))
