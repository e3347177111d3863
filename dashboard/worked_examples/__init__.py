"""Worked examples: sessions that come with the package, as files beside this module.

`scripts.worked_examples` writes them. Their answers name no build of a model, since every build of the shipped
checkpoint gives them.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from dashboard.state.session import SessionDocument, read_session


def load_examples(models: Iterable[str]) -> dict[str, SessionDocument]:
    """Name -> example, in order, of those whose models are all among ``models``."""
    here = frozenset(models)
    entries = sorted(files(__name__).iterdir(), key=lambda entry: entry.name)
    read = {entry.name.removesuffix(".json"): entry.read_bytes() for entry in entries if entry.name.endswith(".json")}
    found = {name: read_session(content) for name, content in read.items()}
    return {name: session for name, session in found.items() if here.issuperset(session.models)}
