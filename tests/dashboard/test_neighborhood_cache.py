"""Neighborhoods are computed once for everyone who asks, kept apart by what decides them, and bounded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.neighborhoods import NeighborhoodCache
from dashboard.services import Services
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.request import Request
from exported_models.contract.trace import Trace
from exported_models.contract.wishes import Replace
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply
from state_store.store import StateStore


@pytest.fixture(scope="module")
def services(dates_workspace: Workspace) -> Services:
    return Services.open(dates_workspace)


@pytest.fixture(scope="module")
def store(services: Services) -> StateStore:
    found = services.store("dates")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def trace(services: Services) -> Trace:
    return services.trace(Request("dates", "March 3, 1999", beam_size=3))


def test_the_same_question_has_one_answer_from_any_thread(store: StateStore, trace: Trace) -> None:
    cache = NeighborhoodCache()

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(cache.get, store, trace, 0, "decoder", map_kind="pca", k=3) for _ in range(8)]

    assert len({id(future.result()) for future in asked}) == 1


def test_every_part_of_the_question_counts(services: Services, store: StateStore, trace: Trace) -> None:
    cache = NeighborhoodCache()
    best = trace.best
    other = next(token for token in "0123456789" if token != best.tokens[0])
    what_if = services.trace(apply(Replace(0, (other,)), trace, best).request)

    answers = [
        cache.get(store, trace, 0, "decoder", map_kind="pca", k=3),
        cache.get(store, trace, 1, "decoder", map_kind="pca", k=3),
        cache.get(store, trace, 0, "encoder", map_kind="pca", k=3),
        cache.get(store, trace, 0, "decoder", map_kind="mds", k=3),
        cache.get(store, trace, 0, "decoder", map_kind="pca", k=2),
        cache.get(store, what_if, 0, "decoder", map_kind="pca", k=3),
    ]

    assert len({id(answer) for answer in answers}) == len(answers)
    assert answers[-1].tokens == what_if.best.tokens
    assert answers[1].tokens == trace.hypotheses[1].tokens


def test_the_least_recently_used_is_forgotten_first(store: StateStore, trace: Trace) -> None:
    cache = NeighborhoodCache(limit=2)

    def ask(space: str) -> int:
        return id(cache.get(store, trace, 0, space, map_kind="pca", k=2))

    kept = cache.get(store, trace, 0, "decoder", map_kind="pca", k=2)
    dropped = cache.get(store, trace, 0, "encoder", map_kind="pca", k=2)
    assert ask("decoder") == id(kept)
    ask("context")

    assert ask("decoder") == id(kept)
    assert ask("encoder") != id(dropped)


def test_a_failure_is_told_and_not_kept(store: StateStore, trace: Trace) -> None:
    cache = NeighborhoodCache()

    for _ in range(2):
        with pytest.raises(BeamscopeError, match="nowhere"):
            cache.get(store, trace, 0, "nowhere", map_kind="pca")
