"""The report about one state and its neighbors."""

from dataclasses import replace

from beamscope.neighbor_report import describe_neighbors
from state_store.neighborhood import ImpliedToken, TokenEvidence
from state_store.neighbors import Neighbor
from state_store.pairs import StoredPair

NEIGHBOR = Neighbor(0, 7, 2, 5, "e", "n", 0.125, 0, StoredPair(7, "zehn", "ten", 8))


def describe(neighbors: tuple[Neighbor, ...], typicality: float | None) -> str:
    nearest = neighbors[0].distance if neighbors else None
    implied = (ImpliedToken(5, "e", 1, 1.0),) if neighbors else ()
    evidence = TokenEvidence(2, 5, "e", neighbors, implied, float(len(neighbors)), nearest, typicality)
    return describe_neighbors("decoder", evidence).splitlines()[0]


def test_a_distance_is_judged_only_beside_held_out_states() -> None:
    assert describe((NEIGHBOR,), 0.62) == (
        "decoder state 2, e: closer to the training data than 62% of held-out states"
    )
    assert describe((NEIGHBOR,), None) == "decoder state 2, e: nearest training state at 0.1250"


def test_a_state_without_neighbors_says_why() -> None:
    assert describe((), None) == "decoder state 2, e: the store holds no state but those of this very sentence."


def test_targets_that_the_model_wrote_are_said_to_be() -> None:
    def header(neighbor: Neighbor) -> str:
        evidence = TokenEvidence(2, 5, "e", (neighbor,), (), 1.0, 0.1, None)
        return describe_neighbors("decoder", evidence).splitlines()[3]

    assert header(NEIGHBOR).endswith("source  target")
    written = replace(NEIGHBOR, pair=replace(NEIGHBOR.pair, target_is_model_output=True))
    assert header(written).endswith("source  target (written by the model)")
