"""The engine: opens models, answers requests with traces, and caches both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from exported_models.completion import canonical_overrides, complete_request, search_settings, tokenize_target
from exported_models.contract.arrays import Floats, Ids, Mask
from exported_models.contract.errors import ArtefactError, RequestError
from exported_models.contract.integrity import Build, identify_build
from exported_models.contract.manifest import load_model_manifest
from exported_models.contract.publishing import format_size
from exported_models.contract.request import (
    AttentionOverride,
    CompletedRequest,
    HeadAblation,
    Request,
)
from exported_models.contract.source import Source
from exported_models.contract.target_text import TargetText
from exported_models.contract.trace import Trace
from exported_models.contract.workspace import Workspace
from exported_models.runtime.caches import NewestCache, OnceCache
from exported_models.runtime.file_watch import FileWatch
from exported_models.runtime.freed_memory import return_freed_memory
from exported_models.runtime.languages import speak
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.providers import choose_threads
from exported_models.search.ablation import check_ablations, mask_heads
from exported_models.search.footprint import count_trace, estimate_bytes
from exported_models.search.lockstep import Ending, SearchTask, search_together
from exported_models.search.overrides import check_overrides, override_rows
from exported_models.search.recording import Recording
from exported_models.search.repetition import RepetitionPenalty
from exported_models.search.scoring import force_batch
from exported_models.search.search import record_source, search
from exported_models.search.settings import SearchSettings
from exported_models.search.word_table import WordTable
from exported_models.tokenizers.spans import find_spans

WORD_TABLES = 4
"""Most tables of word embeddings that are kept: both sides of a model and of another one."""
RECORDED_SOURCES = 4
"""Number of newest sources whose steps are kept for what-ifs; each keeps up to `recording.RECORDING_BYTES`."""

LARGE_REQUEST_BYTES = 64 << 20
"""Estimated record of a request from which on one runs at a time, and freed memory is returned afterwards."""

_RecordingKey = tuple[Build, str, tuple[HeadAblation, ...], tuple[str | None, str | None, bool]]
"""The build of the model, the key of the source, the ablated heads, and how the source is read."""


@dataclass(frozen=True, slots=True)
class ForcedScore:
    """Score of a given target under a request.

    Attributes:
        tokens, log_probs, ranks: one per target token, end of sentence included; rank 0 is the most probable token.
        score: sum of ``log_probs``, penalized as in a search where there is a repetition penalty.
        normalized: ``score`` over length to the power of the request's length penalty.
    """

    tokens: tuple[str, ...]
    log_probs: Floats
    ranks: Ids
    score: float
    normalized: float


@dataclass(frozen=True, slots=True)
class Translation:
    """One hypothesis, without the trace of its search.

    Attributes:
        tokens: end of sentence included where the hypothesis is ``finished``.
        score, normalized, beside: as of `exported_models.contract.trace.Hypothesis`.
    """

    tokens: tuple[str, ...]
    text: str
    score: float
    normalized: float
    finished: bool
    beside: bool = False


Translations = tuple[Translation, ...] | RequestError
"""The hypotheses of a request, ordered as those of a trace, or the reason for which it cannot be answered."""


class Engine:
    """Answers requests over the models of a workspace. Safe to use from many threads."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        threads: int | None = None,
        cache_bytes: int = 256 << 20,
        request_bytes: int | None = None,
    ) -> None:
        """Prepare to open models on request.

        Args:
            threads: cores that one call may use; None for `providers.choose_threads`.
            cache_bytes: memory for cached traces. Recordings for what-ifs take up to `RECORDED_SOURCES` times
                `recording.RECORDING_BYTES` besides.
            request_bytes: largest estimated record of a request that is answered, see `footprint.estimate_bytes`; None
                for no limit.
        """
        self._workspace = workspace
        self._threads = threads
        self._models: NewestCache[str, Build, ExportedModel] = NewestCache()
        self._watch = FileWatch()
        self._traces: OnceCache[tuple[Build, str, CompletedRequest], Trace] = OnceCache(
            cache_bytes, count_trace, _return_dropped
        )
        self._request_bytes = request_bytes
        self._large_turn = threading.Lock()
        self._recordings: OnceCache[_RecordingKey, Recording] = OnceCache(
            RECORDED_SOURCES, on_drop=self._note_dropped_recording
        )
        self._large_recordings = 0
        self._word_tables: OnceCache[tuple[Build, str], WordTable] = OnceCache(WORD_TABLES)

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    def model(self, model_id: str) -> ExportedModel:
        """The model of that name; opened once, and again after another build of it is published.

        Raises:
            WorkspaceError, ArtefactError, ModelError: the model is unknown, damaged, or does not load. Damage of a
                large file is found some seconds after opening.
        """
        folder = self._workspace.model_folder(model_id)
        model = self._models.get(model_id, identify_build(folder), lambda: self._open(folder))
        for name, problem in self._watch.damage(model.build).items():
            raise ArtefactError(f"{folder / name} {problem}; export the model again.")
        return model

    def word_table(self, model_id: str, space: str) -> WordTable:
        """The word embeddings of a model that are a space of that name, read once.

        Raises:
            ModelError: the model has no such table; the message lists the known ones.
        """
        model = self.model(model_id)
        return self._word_tables.get((model.build, space), lambda: WordTable.open(model, space))

    def target_text(self, model_id: str) -> TargetText:
        """Reads and locates target texts of a model, for wishes that hold a text."""
        return _ModelText(self.model(model_id))

    @property
    def cached_bytes(self) -> int:
        """Memory of the cached traces."""
        return self._traces.size

    @property
    def watch(self) -> FileWatch:
        """The check of large files; shared by the models of this engine and their stores."""
        return self._watch

    def translate(self, request: Request) -> Trace:
        """Decode a request.

        Steps before an attention override that the prefix does not cover are pinned to the model's own best output;
        ``trace.request`` says how.

        Raises:
            RequestError: the request cannot be answered as asked.
        """
        model, complete, source = self._prepare(request)
        return self._decode(complete, model, source)

    def translate_all(
        self, requests: Sequence[Request], report: Callable[[int], object] = lambda _: None
    ) -> list[Translations]:
        """Decode requests together, which takes a fraction of the time that one after the other takes.

        No traces are made. Scores may differ in the last bits from those of `translate`.

        Args:
            report: called with the number of requests that were answered since its last call.

        Raises:
            WorkspaceError, ArtefactError, ModelError: a model is unknown, damaged, or does not load.
            UnwantedError: the call was cancelled.
        """
        found: dict[int, Translations] = {}
        groups: dict[tuple[object, ...], list[tuple[int, ExportedModel, SearchTask]]] = {}
        for place, request in enumerate(requests):
            try:
                model, task = self._prepare_task(request)
            except RequestError as error:
                found[place] = error
                report(1)
            else:
                key = (task.request.model_id, task.request.source_language, task.request.target_language)
                groups.setdefault(key, []).append((place, model, task))
        for group in groups.values():
            places, models, tasks = zip(*group, strict=True)
            endings = search_together(models[0], tasks, report)
            found.update(zip(places, (_translations(models[0], each) for each in endings), strict=True))
        return [found[place] for place in range(len(requests))]

    def score(self, request: Request, target: str) -> ForcedScore:
        """Score ``target`` under a request's source, overrides and ablations; its prefix is not used.

        Raises:
            RequestError: the target is empty, or the vocabulary cannot express it.
        """
        model = speak(self.model(request.model_id), request)
        complete = complete_request(request, model)
        source = model.read_source(complete.source, cut=complete.cut_source)
        wanted = tokenize_target(target, model)
        settings, overrides = search_settings(complete, model), canonical_overrides(request)
        check_overrides(overrides, model.manifest, len(source), settings.max_length)
        check_ablations(complete.ablations, model.manifest)

        def override(step: int) -> tuple[Floats, Mask] | None:
            return override_rows(overrides, step, 1, model.manifest, len(source))

        heads = mask_heads(complete.ablations, model.manifest)
        forced = force_batch(model, [source.rows], [wanted.ids], override if overrides else None, heads)[0]
        manifest = model.manifest
        penalty = RepetitionPenalty.of(settings.generation, manifest.start_id, settings.beam_size)
        counted = penalty.weigh_target(forced.log_probs, wanted.ids, forced.log_normalizers)
        # As in a search, a first token that the settings force costs nothing.
        free = int(wanted.ids[0] == manifest.generation.forced_first_id)
        score = float(np.sum(counted[free:], dtype=np.float64))
        return ForcedScore(
            wanted.tokens, forced.log_probs, forced.ranks, score, settings.normalize(score, len(wanted.ids))
        )

    def _prepare(self, request: Request) -> tuple[ExportedModel, CompletedRequest, Source]:
        """The model in the languages of a request, the request completed and pinned, and its source.

        Raises:
            RequestError: the request cannot be answered as asked.
        """
        model = speak(self.model(request.model_id), request)
        complete = complete_request(request, model)
        source = model.read_source(complete.source, cut=complete.cut_source)
        settings, overrides = search_settings(complete, model), canonical_overrides(request)
        check_overrides(overrides, model.manifest, len(source), settings.max_length)
        check_ablations(complete.ablations, model.manifest)
        return model, self._pin(complete, overrides, model, source), source

    def _prepare_task(self, request: Request) -> tuple[ExportedModel, SearchTask]:
        model, complete, source = self._prepare(request)
        settings = search_settings(complete, model)
        self._check_size(model, settings, len(source))
        return model, SearchTask(complete, settings, source)

    def _pin(
        self,
        request: CompletedRequest,
        overrides: Sequence[AttentionOverride],
        model: ExportedModel,
        source: Source,
    ) -> CompletedRequest:
        """Add overrides in the order of steps; the best output so far extends the prefix to each step."""
        pinned = request
        for step in sorted({override.step for override in overrides}):
            ended = bool(pinned.prefix) and model.target_tokenizer.token_id(pinned.prefix[-1]) == model.manifest.end_id
            if ended or step > len(pinned.prefix):
                output = pinned.prefix if ended else self._decode(replace(pinned, kept=()), model, source).best.tokens
                _check_within(step, output)
                pinned = pinned if ended else replace(pinned, prefix=output[:step])
            pinned = replace(pinned, overrides=tuple(override for override in overrides if override.step <= step))
        return pinned

    def _open(self, folder: Path) -> ExportedModel:
        threads = self._threads or choose_threads(load_model_manifest(folder).bytes)
        model = ExportedModel.open(folder, threads=threads)
        self._watch.add(folder, model.manifest.files)
        return model

    def _decode(self, request: CompletedRequest, model: ExportedModel, source: Source) -> Trace:
        # Keyed by the build: the content hash leaves out the manifest, whose settings decide about search too.
        return self._traces.get((model.build, source.key, request), lambda: self._search(request, model, source))

    def _search(self, request: CompletedRequest, model: ExportedModel, source: Source) -> Trace:
        settings = search_settings(request, model)
        size = self._check_size(model, settings, len(source))
        reading = (request.source_language, request.target_language, request.cut_source)
        key = (model.build, source.key, request.ablations, reading)
        recording = self._recordings.get(key, lambda: record_source(model, source, request.ablations))
        if size < LARGE_REQUEST_BYTES:
            return search(model, request, settings, source, recording)
        with self._large_turn:
            trace = search(model, request, settings, source, recording)
        self._large_recordings = RECORDED_SOURCES
        return_freed_memory()
        return trace

    def _note_dropped_recording(self, _count: int) -> None:
        """Return the memory of a dropped recording where it may be that of a large request."""
        if self._large_recordings:
            self._large_recordings -= 1
            return_freed_memory()

    def _check_size(self, model: ExportedModel, settings: SearchSettings, source_tokens: int) -> int:
        """The estimated bytes of a search's record.

        Raises:
            RequestError: they are more than this engine answers.
        """
        estimate = estimate_bytes(model.manifest, settings, source_tokens)
        if self._request_bytes is not None and estimate > self._request_bytes:
            raise RequestError(
                f"The record of this search may take {format_size(estimate)} (beam of {settings.beam_size}, up to "
                f"{settings.max_length} steps, {source_tokens} source tokens), and this server allows "
                f"{format_size(self._request_bytes)}; ask for a smaller beam, maximum length or top k.",
                field="beam_size",
            )
        return estimate


def _translations(model: ExportedModel, found: tuple[Ending, ...] | RequestError) -> Translations:
    return found if isinstance(found, RequestError) else tuple(_translation(model, ending) for ending in found)


def _translation(model: ExportedModel, ending: Ending) -> Translation:
    tokens = model.target_tokenizer.tokens
    return Translation(
        tokens=tuple(tokens[token_id] for token_id in ending.token_ids),
        text=model.target_tokenizer.decode(ending.token_ids),
        score=ending.score,
        normalized=ending.normalized,
        finished=ending.token_ids[-1] == model.manifest.end_id,
        beside=ending.beside,
    )


@dataclass(frozen=True, slots=True)
class _ModelText:
    """The target text of one model; see `TargetText`."""

    model: ExportedModel

    def read(self, text: str, *, ends: bool) -> tuple[str, ...]:
        return tokenize_target(text, self.model, end=ends).tokens

    def locate(self, token_ids: Sequence[int], text: str) -> tuple[tuple[int, int], ...]:
        return find_spans(self.model.target_tokenizer, token_ids, text)


def _check_within(step: int, output: Sequence[str]) -> None:
    if step >= len(output):
        raise RequestError(
            f"There is no attention step {step}: the output has {len(output)} tokens, counted from 0.",
            field="overrides",
        )


def _return_dropped(size: int) -> None:
    """Return the memory of cached traces that were dropped, where it is worth the time."""
    if size >= LARGE_REQUEST_BYTES:
        return_freed_memory()
