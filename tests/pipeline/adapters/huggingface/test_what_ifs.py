"""Changing and comparing a Transformer of several layers and heads."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exported_models.comparison.comparison import compare
from exported_models.comparison.sides import Side
from exported_models.contract.publishing import publish, read_manifest
from exported_models.contract.request import Request
from exported_models.contract.wishes import Attend
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply
from exported_models.engine import Engine
from exported_models.what_ifs.attention import find_attention, list_attention
from tests.artefacts import TinyExport

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

STEP = 2


@pytest.fixture(scope="module")
def engine(
    tiny_export: Callable[[str], TinyExport], dates_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Engine:
    """A tiny Transformer, and the recurrent model of the dates."""
    workspace = Workspace(tmp_path_factory.mktemp("what-ifs"))
    workspace.models_folder.mkdir()
    staged = Path(shutil.copytree(tiny_export("marian").graphs, workspace.root / "staged"))
    publish(staged, workspace.models_folder / "marian", read_manifest(staged) | {"model_id": "marian"}, {})
    (workspace.models_folder / "dates").symlink_to(dates_workspace.model_folder("dates").resolve())
    return Engine(workspace, threads=1)


def test_attention_that_is_found_is_the_smallest_change_of_a_scan(engine: Engine) -> None:
    model = engine.model("marian")
    text = model.source_tokenizer.decode((11, 12, 13, 14, 15))
    trace = engine.translate(Request("marian", text, beam_size=2, top_k=20))
    own = trace.attention(trace.best)
    assert own is not None
    layers, heads = own.shape[1:3]
    assert min(layers, heads) > 1
    wishes = list(list_attention(model.manifest, len(trace.source), STEP))
    asked = {(wish.layer, wish.head) for wish in wishes}
    assert asked == {(None, None), *((layer, None) for layer in range(layers)), *np.ndindex(layers, heads)}

    wanted = trace.top_k(trace.best)[STEP][1]
    found = find_attention(engine, trace, trace.best, STEP, wanted.token)
    scanned = [scan(engine, trace.request.as_request(), wish, wanted.token_id) for wish in wishes]

    assert [trial.wish for trial in found.tried] == wishes
    assert [trial.log_prob for trial in found.tried] == pytest.approx([log_prob for log_prob, _ in scanned], abs=1e-4)
    assert [trial.succeeds for trial in found.tried] == [succeeds for _, succeeds in scanned]
    smallest = min(
        found.tried, key=lambda trial: (not trial.succeeds, trial.change if trial.succeeds else trial.behind)
    )
    assert found.best == smallest
    for trial in found.tried:
        places = own[STEP, slice_of(trial.wish.layer), slice_of(trial.wish.head)]
        moved = (1 - places[..., trial.position]).sum() / (layers * heads)
        assert trial.change == pytest.approx(float(moved), abs=1e-5)


def scan(engine: Engine, request: Request, wish: Attend, token_id: int) -> tuple[float, bool]:
    """Log-probability of a token under an override, answered alone, and whether it is the most probable one."""
    before = engine.translate(request)
    step = engine.translate(apply(wish, before, before.best).request).steps[STEP]
    ids = step.top_ids[0].tolist()
    return float(step.top_log_probs[0, ids.index(token_id)]), ids[0] == token_id


def slice_of(place: int | None) -> slice:
    return slice(None) if place is None else slice(place, place + 1)


def test_a_transformer_beside_a_recurrent_model_is_aligned_by_words(engine: Engine) -> None:
    marian = engine.model("marian")
    source = marian.source_tokenizer.decode((11, 12, 13))
    traces = [engine.translate(Request("dates", "3/4/99")), engine.translate(Request("marian", source))]
    sides = [Side.of(engine.model(trace.request.model_id), trace) for trace in traces]

    found = compare(sides[0], sides[1])

    assert (found.trees, found.split is None) == (None, False)
    for name, side in zip(("before", "after"), sides, strict=True):
        places = itertools.chain.from_iterable(getattr(column, name) for column in found.columns)
        assert sorted(places) == list(range(len(side.hypothesis.tokens)))
    assert found.attention is not None
    assert found.attention.before.shape[1:3] == found.attention.after.shape[1:3] == (1, 1)
    said = " ".join(found.not_compared)
    assert "different target vocabularies" in said
    assert "different layers or heads: the mean of all heads is compared" in said
    assert "a higher score of one does not make its translation better" in said
