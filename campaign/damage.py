"""Damage of published files: `verify` names it, an answer is right or refused, and nothing ends the process.

Every case runs in a process of its own, forked before anything was opened, so that a crash is seen.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

from beamscope.verification import check_workspace
from campaign.outcome import Outcome, Setting
from dashboard.neighborhoods import NeighborhoodCache
from exported_models.contract.errors import ArtefactError, BeamscopeError
from exported_models.contract.publishing import MANIFEST_NAME
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from state_store.catalog import StoreCatalog
from state_store.documents import NeighborhoodDocument

_REQUEST = Request("dates", "March 3, 1999")
_SPACES = ("encoder", "decoder", "context")
_UNHASHED = ("provenance.json",)


def corrupt_files(setting: Setting) -> Outcome:
    """Flip a bit of a file, cut it, empty it, or swap it with another; then verify and ask."""
    outcome, chance = Outcome(), random.Random(11)
    copy = setting.copy_workspace()
    right = _in_child(lambda: _answer(copy))
    if right is None or right == "refused":
        raise ArtefactError(f"{setting.workspace.root} cannot answer before anything was damaged.")
    files = _list_files(copy)
    for number in range(setting.cases):
        path = files[number % len(files)]
        how = chance.choice([_flip, _flip, _cut, _empty, _swap])
        kept = path.read_bytes()
        what = f"{how.__name__.strip('_')} {path.relative_to(copy.root)}"
        how(path, files, chance)
        try:
            if path.read_bytes() != kept:
                _judge(outcome, copy, right, path, what)
        finally:
            path.write_bytes(kept)
    return outcome


def _judge(outcome: Outcome, copy: Workspace, right: str, path: Path, what: str) -> None:
    named = _in_child(lambda: _verify(copy, path.name))
    answered = _in_child(lambda: _answer(copy))
    if named is None or answered is None:
        outcome.note("crash", f"{what}: the process ended")
    elif named != "named":
        outcome.note("not named", f"{what}: {named}")
    elif answered not in (right, "refused"):
        # A file above 4 MiB is checked in the background, within a minute of opening.
        outcome.note("wrong", f"{what}: another answer")
    else:
        outcome.note("refused" if answered == "refused" else "right answer")


def _verify(copy: Workspace, name: str) -> str:
    problems = [problem for check in check_workspace(copy) for problem in check.problems]
    if any(name in problem for problem in problems) or (name == MANIFEST_NAME and problems):
        return "named"
    return f"not named: {problems[:1]}"


def _answer(copy: Workspace) -> str:
    engine = Engine(copy, threads=1)
    try:
        trace = engine.translate(_REQUEST)
        store = StoreCatalog(copy, engine).store_for(_REQUEST.model_id)
        if store is None:
            return "refused"
        cache = NeighborhoodCache()
        found = [cache.get(store, trace, 0, space, map_kind="mds", k=5) for space in _SPACES]
    except BeamscopeError:
        return "refused"
    documents = [NeighborhoodDocument.of(one).model_dump_json() for one in found]
    return json.dumps([trace.best.tokens, documents])


def _in_child(act: Callable[[], str]) -> str | None:
    """The value of a function that runs in a process of its own; None where the process did not give it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            with os.fdopen(writing, "w", encoding="utf-8") as out:
                out.write(act())
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as given:
        text = given.read()
    _, status = os.waitpid(child, 0)
    return text if status == 0 else None


def _list_files(copy: Workspace) -> list[Path]:
    folders = [copy.model_folder("dates"), copy.store_folder("dates")]
    return sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size and path.name not in _UNHASHED
    )


def _flip(path: Path, _files: list[Path], chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def _cut(path: Path, _files: list[Path], chance: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))])


def _empty(path: Path, _files: list[Path], _chance: random.Random) -> None:
    path.write_bytes(b"")


def _swap(path: Path, files: list[Path], chance: random.Random) -> None:
    path.write_bytes(chance.choice(files).read_bytes())
