"""Spaces that a project names go all the way: export, parity, corpus, index, neighbors, maps, command line and API."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from beamscope.cli import command_line
from exported_models.contract.request import Request
from exported_models.contract.trace import Trace
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from pipeline.build.building import build
from pipeline.build.project_file import load_project
from pipeline.errors import ProjectFileError
from pipeline.progress import SilentProgress
from state_store.catalog import StoreCatalog
from state_store.neighborhood import gather_evidence, neighborhood
from state_store.store import StateStore
from tests.artefacts import DATES
from tests.dashboard.serving import client_of
from tests.pipeline.adapters.huggingface.tiny_checkpoints import TEXTS, save_tiny_checkpoint

PAIRS = 60
SPACES = {
    "t5": ("encoder_layer_0", "decoder_layer_1", "context"),
    "luong": ("encoder", "attentional"),
}
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@dataclass(frozen=True)
class Built:
    """A store of a model, and a pair in it."""

    workspace: Workspace
    store: StateStore
    engine: Engine
    model_id: str

    def force_pair(self, sentence: int) -> Trace:
        """A translation of the pair's source that begins with its target."""
        pair = self.store.pair(sentence)
        target = self.engine.model(self.model_id).target_tokenizer.encode(pair.target, end=False)
        return self.engine.translate(Request(self.model_id, pair.source, prefix=target.tokens))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    """The store of a family with the spaces that `SPACES` names; built once."""

    @cache
    def make(family: str) -> Built:
        folder = tmp_path_factory.mktemp(family)
        checkpoint = DATES / "checkpoint" if family == "luong" else save_tiny_checkpoint(family, folder / "checkpoint")
        write_project(folder, family, checkpoint, SPACES[family])
        workspace = Workspace(folder / "workspace")
        build(load_project(folder / "project.toml"), workspace, progress=SilentProgress())
        engine = Engine(workspace, threads=1)
        store = StoreCatalog(workspace, engine).store_for(family)
        assert store is not None
        return Built(workspace, store, engine, family)

    return make


def write_project(folder: Path, family: str, checkpoint: Path, spaces: tuple[str, ...]) -> None:
    for name, first in (("train", 0), ("validation", PAIRS)):
        lines = [make_pair(family, number) for number in range(first, first + PAIRS)]
        (folder / f"{name}.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in lines))
    (folder / "project.toml").write_text(
        f"[model]\nid = '{family}'\ncheckpoint = '{checkpoint}'\n"
        "[corpus]\ntrain = 'train.tsv'\nvalidation = 'validation.tsv'\n"
        f"[store]\nmaps = ['landmark_mds']\nspaces = {json.dumps(spaces)}\n",
        encoding="utf-8",
    )


def make_pair(family: str, number: int) -> tuple[str, str]:
    if family == "luong":
        day, year = 1 + number % 28, 1990 + number // 28
        return f"{day} May {year}", f"{year}-05-{day:02}"
    return shuffle(2 * number), shuffle(2 * number + 1)


def shuffle(seed: int) -> str:
    words = TEXTS[seed % len(TEXTS)].replace(",", "").split()
    return " ".join(random.Random(seed).sample(words, 4))


ALL = [(family, space) for family, spaces in SPACES.items() for space in spaces]


@pytest.mark.parametrize("family", SPACES)
def test_the_store_holds_the_named_spaces(family: str, built: Callable[[str], Built]) -> None:
    found = built(family)
    assert set(found.store.manifest.space_names) == set(SPACES[family])
    for entry in found.store.manifest.spaces:
        spec = found.engine.model(family).manifest.space(entry.name)
        assert (entry.owner, entry.size) == (spec.owner, spec.size)
        assert entry.calibration_states > 0


@pytest.mark.parametrize(("family", "space"), ALL)
def test_a_trace_finds_its_own_states_in_the_corpus(family: str, space: str, built: Callable[[str], Built]) -> None:
    found = built(family)
    trace, rows = found.force_pair(7), found.store.space(space).space.rows_of(7)

    states = found.store.states(trace, space)

    source = found.store.space(space).entry.owner == "source"
    shared = len(rows) if source else len(trace.request.prefix)
    vectors = found.store.space(space).space.vectors[list(rows)[:shared]]
    np.testing.assert_allclose(vectors, found.store.space(space).space.normalize(states)[:shared], atol=2e-3)
    nearest = found.store.neighbors(space, states[:shared], k=1, exclude_source=None)
    assert all(hits[0].distance < 0.01 for hits in nearest)


@pytest.mark.parametrize(("family", "space"), ALL)
def test_every_token_has_neighbors_and_a_place(family: str, space: str, built: Callable[[str], Built]) -> None:
    found = built(family)
    trace = found.force_pair(7)
    for kind in ("mds", "landmark_mds"):
        shown = neighborhood(found.store, trace, None, space, k=5, map_kind=kind)
        assert len(shown.evidence) == len(shown.positions) == len(found.store.states(trace, space))
        assert np.isfinite(shown.positions).all()
        assert all(token.neighbors and token.typicality is not None for token in shown.evidence)


@pytest.mark.parametrize(("family", "space"), ALL)
def test_command_line_and_api_answer_for_it(family: str, space: str, built: Callable[[str], Built]) -> None:
    found = built(family)
    trace = found.engine.translate(Request(family, found.store.pair(3).source))
    (wanted,) = gather_evidence(found.store, trace, None, space, k=4, positions=[1])
    rows = [neighbor.row for neighbor in wanted.neighbors]

    options = ["--space", space, "--step", "1", "--k", "4", "--json", "--workspace", str(found.workspace.root)]
    printed = CliRunner().invoke(command_line, ["neighbors", family, trace.request.source, *options])
    asked = {"request": {"model_id": family, "source": trace.request.source}, "space": space, "step": 1, "k": 4}
    with client_of(found.workspace) as client:
        answered = client.post("/api/v1/neighbors", json=asked).json()

    assert [neighbor["row"] for neighbor in json.loads(printed.stdout)["neighbors"]] == rows
    assert [neighbor["row"] for neighbor in answered["tokens"][0]["neighbors"]] == rows


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("encoder_layer_9", r"'encoder_layer_9', which t5 does not have \(known: encoder, decoder, context, encoder_"),
        ("target_embedding", r"a table that is read from t5 itself and not indexed \(known: "),
    ],
)
def test_a_space_that_cannot_be_indexed_is_refused(
    name: str, words: str, built: Callable[[str], Built], tmp_path: Path
) -> None:
    found = built("t5")
    write_project(tmp_path, "t5", found.workspace.root.parent / "checkpoint", (name,))
    with pytest.raises(ProjectFileError, match=words):
        build(load_project(tmp_path / "project.toml"), found.workspace, progress=SilentProgress())
