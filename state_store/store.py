"""A state store, opened for a model: neighbors, maps and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.arrays import Floats
from exported_models.contract.errors import RequestError
from exported_models.contract.integrity import Build, find_damage, identify_build
from exported_models.contract.request import MAX_NEIGHBORS
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.runtime.file_watch import FileWatch
from exported_models.runtime.model import ExportedModel
from exported_models.search.states import find_states
from state_store import layout
from state_store.calibration import Calibration, load_calibration
from state_store.context_scan import Hit
from state_store.contexts import NEXT_TOKEN, NO_TOKEN, POSITION, SENTENCE, TOKEN
from state_store.errors import MapError, StoreError, StoreMismatchError
from state_store.global_maps import GlobalMap, MapBackground
from state_store.manifest import SpaceEntry, StoreManifest, load_store_manifest
from state_store.neighbors import Neighbor, NeighborSearch
from state_store.pairs import PairTable, StoredPair
from state_store.recent_search import RecentSearch
from state_store.scann_index import load_index
from state_store.spaces import Space


@dataclass(frozen=True, slots=True)
class OpenSpace:
    """One space of an open store: rows, search, calibration and maps."""

    entry: SpaceEntry
    space: Space
    search: RecentSearch
    calibration: Calibration
    maps: dict[str, GlobalMap]
    vocabulary: Sequence[str]

    def token(self, token_id: int) -> str:
        """The token of an id.

        Raises:
            StoreError: the model has no such token, so the token table is damaged.
        """
        if not 0 <= token_id < len(self.vocabulary):
            raise StoreError(
                f"{self.space.folder / layout.TOKENS} names the token {token_id}, and there are "
                f"{len(self.vocabulary):,}; build the store again."
            )
        return self.vocabulary[token_id]


class StateStore:
    """The encoded corpus of one model. Safe to use from many threads: nothing changes after opening.

    A space with a damaged file is refused by name, and the others answer.

    Args:
        model: computes states that a trace does not record; without it those cannot be asked for.
    """

    def __init__(
        self,
        build: Build,
        manifest: StoreManifest,
        pairs: PairTable,
        spaces: Mapping[str, OpenSpace],
        refusals: Mapping[str, str],
        watch: FileWatch,
        model: ExportedModel | None = None,
    ) -> None:
        self.manifest = manifest
        self.pairs = pairs
        self._build = build
        self._spaces = spaces
        self._refusals = refusals
        self._watch = watch
        self._model = model

    @property
    def folder(self) -> Path:
        return self._build[0]

    @classmethod
    def open(cls, folder: Path, model: ExportedModel, watch: FileWatch | None = None) -> StateStore:
        """Open a published store for the model it was built with.

        Args:
            watch: compares large files with their digests in the background; None compares sizes only.

        Raises:
            StoreMismatchError: the store was built with another model; the message names both.
            StoreError, ArtefactError: a file is missing, damaged or does not fit the manifest.
        """
        manifest = load_store_manifest(folder)
        check_model(manifest, model.manifest.model_id, model.content_hash)
        source, target = model.source_tokenizer.tokens, model.target_tokenizer.tokens
        return cls.open_with_vocabularies(folder, source, target, watch, model)

    @classmethod
    def open_with_vocabularies(
        cls,
        folder: Path,
        source: Sequence[str],
        target: Sequence[str],
        watch: FileWatch | None = None,
        model: ExportedModel | None = None,
    ) -> StateStore:
        """Open a store with the tokens of both sides (index = id); whether ``model`` fits is not checked.

        Raises:
            StoreError, ArtefactError: a file is missing, damaged or does not fit the manifest.
        """
        build, manifest = identify_build(folder), load_store_manifest(folder)
        damage = find_damage(folder, manifest.files, layout.steers_index)
        _refuse_damage(folder, damage, None)
        pairs = PairTable(folder, manifest.corpus.pairs)
        spaces, refusals = {}, {}
        for entry in manifest.spaces:
            try:
                _refuse_damage(folder, damage, entry.name)
                vocabulary = source if entry.owner == "source" else target
                spaces[entry.name] = _open_space(folder, entry, len(pairs), vocabulary)
            except StoreError as error:
                refusals[entry.name] = str(error)
        if watch is not None:
            watch.add(folder, manifest.files)
        return cls(build, manifest, pairs, spaces, refusals, watch or FileWatch(), model)

    def require_pairs(self) -> None:
        """Refuse a store whose sentence pairs were found damaged since it was opened.

        Raises:
            StoreError: naming the file.
        """
        _refuse_damage(self.folder, self._watch.damage(self._build), None)

    def space(self, name: str) -> OpenSpace:
        """The space of that name.

        Raises:
            SpaceError: no such space; the message lists the known ones. StoreError: a file of the space is damaged.
        """
        self.manifest.space(name)
        if name in self._refusals:
            raise StoreError(self._refusals[name])
        self.require_pairs()
        _refuse_damage(self.folder, self._watch.damage(self._build), name)
        return self._spaces[name]

    def describe_damage(self) -> str:
        """Say in a sentence each which spaces are refused and why; empty where none is."""
        found = dict(self._refusals)
        for name in self.manifest.space_names:
            try:
                self.space(name)
            except StoreError as error:
                found[name] = str(error)
        return " ".join(dict.fromkeys(found.values()))

    def states(self, trace: Trace, space: str, hypothesis: Hypothesis | None = None) -> Floats:
        """Find the states of a trace in one of the store's spaces: [tokens, size] float32, as the model makes them.

        Args:
            hypothesis: hypothesis of the target states; None for the best.

        Raises:
            SpaceError: no such space. StoreMismatchError: the trace is of another model.
        """
        name = self.manifest.space(space).name
        check_model(self.manifest, trace.request.model_id, trace.model_hash)
        if self._model is None:
            return trace.states(name, hypothesis)
        return find_states(self._model, trace, name, hypothesis)

    def pair(self, sentence: int) -> StoredPair:
        """The sentence pair of that id.

        Raises:
            StoreError: no such sentence.
        """
        return self.pairs[sentence]

    def neighbors(self, space: str, states: Floats, *, k: int, exclude_source: str | None) -> list[list[Neighbor]]:
        """Find the ``k`` nearest training examples of each state, nearest first.

        Args:
            states: [states, size] as the model makes them, not normalized.
            exclude_source: source text whose sentences are left out; None for none.

        Raises:
            SpaceError: no such space. StateError: the states are not finite, or of another size.
            RequestError: ``k`` is not between 1 and `MAX_NEIGHBORS`.
        """
        if not 1 <= k <= MAX_NEIGHBORS:
            raise RequestError(f"The number of neighbors {k} is out of range; choose from 1 to {MAX_NEIGHBORS}.", "k")
        opened = self.space(space)
        own = frozenset[int]() if exclude_source is None else self.pairs.with_source(exclude_source)
        found = opened.search.find(opened.space.normalize(states), k, own)
        return [[self._describe(opened, hit) for hit in hits] for hits in found]

    def typicality(self, space: str, distance: float) -> float | None:
        """The share of held-out states whose nearest neighbor is farther than ``distance``: 1 is close, 0 is far.

        None where no states were held out, as there is nothing to compare with.

        Raises:
            SpaceError: no such space.
        """
        opened = self.space(space)
        return opened.calibration.typicality(distance) if opened.entry.calibration_states else None

    def global_map(self, space: str, kind: str) -> GlobalMap:
        """A stored map of a space.

        Raises:
            SpaceError: no such space. MapError: the space has no such map; the message lists the known ones.
        """
        opened = self.space(space)
        if kind not in opened.maps:
            known = ", ".join(opened.maps) or "none"
            raise MapError(
                f"The space {space!r} of the store {self.manifest.store_id!r} has no map {kind!r} (known: {known})."
            )
        return opened.maps[kind]

    def background(self, space: str, kind: str, limit: int) -> MapBackground:
        """Sample at most ``limit`` rows of a global map, to draw behind a trajectory; equal limits give equal samples.

        Raises:
            SpaceError, MapError: no such space or map.
        """
        return self.global_map(space, kind).background(limit)

    def _describe(self, opened: OpenSpace, hit: Hit) -> Neighbor:
        row = opened.space.tokens[hit.row]
        following = int(row[NEXT_TOKEN])
        return Neighbor(
            row=hit.row,
            sentence=int(row[SENTENCE]),
            position=int(row[POSITION]),
            token_id=int(row[TOKEN]),
            token=opened.token(int(row[TOKEN])),
            next_token=None if following == NO_TOKEN else opened.token(following),
            distance=hit.distance,
            duplicates=hit.duplicates,
            pair=self.pairs[int(row[SENTENCE])],
        )


def check_model(manifest: StoreManifest, model_id: str, model_hash: str) -> None:
    """Refuse a model that a store was not built with.

    Raises:
        StoreMismatchError: naming both models.
    """
    if manifest.model_hash != model_hash:
        raise StoreMismatchError(
            f"The store {manifest.store_id!r} was built with the model {manifest.model_id!r} "
            f"(build {manifest.model_hash[:8]}), not with {model_id!r} (build {model_hash[:8]}): "
            "their states cannot be compared. Build the store again with this model."
        )


def _refuse_damage(folder: Path, damage: Mapping[str, str], space: str | None) -> None:
    """Raise a StoreError for a damaged file of a space, or with None of the sentence pairs."""
    for name, problem in damage.items():
        if layout.space_of(name) == space:
            raise StoreError(f"{folder / name} {problem}; build the store again.")


def _open_space(folder: Path, entry: SpaceEntry, sentences: int, vocabulary: Sequence[str]) -> OpenSpace:
    place = layout.space_folder(folder, entry.name)
    space = Space(place, entry.name, size=entry.size, rows=entry.rows, sentences=sentences)
    index = load_index(place / layout.INDEX_FOLDER, space.vectors, entry.index)
    return OpenSpace(
        entry=entry,
        space=space,
        search=RecentSearch(NeighborSearch(space, index)),
        calibration=load_calibration(place),
        maps={kind: GlobalMap(place, kind, entry.rows) for kind in entry.maps},
        vocabulary=vocabulary,
    )
