"""Masks of ablated heads, as graphs of this and of earlier export revisions read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from exported_models.contract.graphs import STEP_HEAD_MASK, Graph
from exported_models.runtime.graph_folder import GraphFolder
from exported_models.runtime.graph_session import GraphSession, as_array

GRID = (2, 3)
"""Layers and heads."""
ONE_ABLATED = np.array([[1, 1, 1], [1, 0, 1]], np.float32)


def _open(folder: Path, *rows: str) -> GraphSession:
    """A graph that gives back the mask it reads."""
    shape: list[str | int | None] = [*rows, *GRID]
    mask, kept = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in (STEP_HEAD_MASK.name, "it"))
    graph = helper.make_graph([helper.make_node("Identity", [mask.name], [kept.name])], "mask", [mask], [kept])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(proto, folder / Graph.DECODER_STEP.filename)
    return GraphSession(GraphFolder.open(folder, 1), Graph.DECODER_STEP)


@pytest.mark.parametrize("rows", [("rows",), ()], ids=["a mask for each row", "one mask for all rows"])
def test_a_graph_reads_masks_in_its_own_form(rows: tuple[str, ...], tmp_path: Path) -> None:
    session = _open(tmp_path, *rows)
    assert session.masks_by_row(STEP_HEAD_MASK) == bool(rows)

    for kept, wanted in ((None, np.ones(GRID)), (ONE_ABLATED, ONE_ABLATED), (np.stack([ONE_ABLATED] * 4), ONE_ABLATED)):
        found = session.run(session.mask_heads(STEP_HEAD_MASK, kept, rows=4), ["it"])["it"]
        np.testing.assert_array_equal(as_array(found), [wanted] * 4 if rows else wanted)


def test_rows_keep_masks_of_their_own(tmp_path: Path) -> None:
    session = _open(tmp_path, "rows")
    different = np.stack([ONE_ABLATED, np.ones(GRID, np.float32)])

    found = session.run(session.mask_heads(STEP_HEAD_MASK, different, rows=2), ["it"])["it"]

    np.testing.assert_array_equal(as_array(found), different)
