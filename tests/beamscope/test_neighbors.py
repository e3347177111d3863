"""`beamscope neighbors` on the dates store."""

import csv
import json
from pathlib import Path

import pytest

from exported_models.contract.request import MAX_NEIGHBORS
from exported_models.contract.workspace import Workspace
from tests.beamscope.shell import Beamscope, one_sentence

SOURCE = "March 3, 1999"


@pytest.fixture
def workspace(dates_workspace: Workspace) -> tuple[str, str]:
    """The option that names the workspace with the dates model and store."""
    return "--workspace", str(dates_workspace.root)


@pytest.mark.parametrize(
    ("space", "step", "token"), [("decoder", "3", "9"), ("context", "4", "-"), ("encoder", "0", "M")]
)
def test_neighbors_have_pair_position_token_and_distance(
    beamscope: Beamscope, workspace: tuple[str, str], space: str, step: str, token: str
) -> None:
    options = ["--space", space, "--step", step, "--k", "10", "--json"]
    outcome = beamscope("neighbors", "dates", SOURCE, *options, *workspace)

    document = json.loads(outcome.stdout)
    neighbors = document["neighbors"]
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert (document["space"], document["position"], document["token"]) == (space, int(step), token)
    assert len(neighbors) == 10
    side = "source" if space == "encoder" else "target"
    for neighbor in neighbors:
        text = neighbor["pair"][side]
        assert neighbor["token"] == (text[neighbor["position"]] if neighbor["position"] < len(text) else "</s>")
        assert neighbor["pair"]["source"] != SOURCE
    distances = [neighbor["distance"] for neighbor in neighbors]
    assert distances == sorted(distances)


def test_the_neighbors_are_written_as_a_table(beamscope: Beamscope, workspace: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "neighbors.csv"
    options = ["--step", "3", "--k", "4", "--csv", str(file), "--json", *workspace]
    document = json.loads(beamscope("neighbors", "dates", SOURCE, *options).stdout)
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))

    assert [float(row["distance"]) for row in rows] == pytest.approx(
        [neighbor["distance"] for neighbor in document["neighbors"]], abs=1e-4
    )
    assert [row["pair_target"] for row in rows] == [one["pair"]["target"] for one in document["neighbors"]]
    assert {(row["source"], row["space"], row["position"]) for row in rows} == {(SOURCE, "decoder", "3")}
    words = beamscope("neighbors", "dates", SOURCE, "--space", "source_embedding", *options)
    assert "take them with --json" in one_sentence(words.stderr)


def test_the_text_shows_the_pairs(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    options = ["--space", "decoder", "--step", "3", "--k", "4"]
    document = json.loads(beamscope("neighbors", "dates", SOURCE, *options, "--json", *workspace).stdout)
    outcome = beamscope("neighbors", "dates", SOURCE, *options, *workspace)

    head, implied, _, _, *rows = outcome.stdout.splitlines()
    assert head.startswith("decoder state 3, 9: ")
    assert document["implied"][0]["token"] in implied
    assert len(rows) == 4
    for row, neighbor in zip(rows, document["neighbors"], strict=True):
        assert neighbor["pair"]["target"] in row


def test_a_what_if_has_the_neighbors_of_its_own_states(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    options = ["--space", "decoder", "--step", "4", "--k", "3", "--json", *workspace]
    plain, forced = (
        json.loads(beamscope("neighbors", "dates", SOURCE, *prefix, *options).stdout)
        for prefix in ([], ["--prefix", "2041"])
    )

    assert [neighbor["distance"] for neighbor in plain["neighbors"]] != [
        neighbor["distance"] for neighbor in forced["neighbors"]
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--space", "decodr"], "known: "),
        (["--space", "decoder", "--step", "11"], "11 tokens there, counted from 0"),
        (["--space", "encoder", "--step", "500"], "no token at position 500"),
        (["--prefix", "x"], "In the prefix"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    beamscope: Beamscope, workspace: tuple[str, str], options: list[str], expected: str
) -> None:
    outcome = beamscope("neighbors", "dates", SOURCE, *options, *workspace)

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert expected in one_sentence(outcome.stderr)


def test_more_neighbors_than_a_store_gives_are_not_offered(beamscope: Beamscope) -> None:
    outcome = beamscope("neighbors", "dates", SOURCE, "--k", str(MAX_NEIGHBORS + 1))

    assert outcome.exit_code == 2
    assert f"1<=x<={MAX_NEIGHBORS}" in one_sentence(outcome.stderr)


def test_without_a_store_the_remedy_is_named(
    beamscope: Beamscope, dates_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("model-alone")
    (root / "exported_models").symlink_to(dates_workspace.models_folder)

    outcome = beamscope("neighbors", "dates", SOURCE, "--workspace", str(root))

    assert outcome.exit_code == 1
    assert "beamscope build" in one_sentence(outcome.stderr)


def test_word_embeddings_list_words_and_need_no_store(
    beamscope: Beamscope, dates_workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "exported_models").symlink_to(dates_workspace.models_folder)
    options = ["--space", "source_embedding", "--step", "9", "--k", "3", "--workspace", str(tmp_path)]
    outcome = beamscope("neighbors", "dates", SOURCE, *options, "--json")
    text = beamscope("neighbors", "dates", SOURCE, *options).stdout

    document = json.loads(outcome.stdout)
    assert (document["space"], document["position"], document["token"]) == ("source_embedding", 9, "1")
    similarities = [word["similarity"] for word in document["words"]]
    assert len(similarities) == 3
    assert similarities == sorted(similarities, reverse=True)
    for word in document["words"]:
        assert word["token"] in text
        assert f"{word['similarity']:.4f}" in text


def test_word_embeddings_of_no_token_are_one_sentence(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    outcome = beamscope("neighbors", "dates", SOURCE, "--space", "target_embedding", "--step", "40", *workspace)
    assert outcome.exit_code != 0
    assert one_sentence(outcome.stderr) == "There is no target token at position 40: there are 11, counted from 0."
