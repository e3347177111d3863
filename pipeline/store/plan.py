"""Planning a store before anything costly: which pairs it will hold, in which batches, and how much room that takes.

Sources without targets are planned twice: before they are translated, with a guess at how long their targets will be,
and when they are (`pipeline.store.translate`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import ModelManifest
from exported_models.contract.publishing import explain_disk_errors, format_size
from exported_models.runtime.model import load_tokenizer
from pipeline.build.planned_store import StoreBuild
from pipeline.corpus.pair_tokens import PairTokenizer
from pipeline.corpus.readers import SentencePair
from pipeline.errors import BuildError, CorpusError
from pipeline.progress import Advance, Progress
from pipeline.store.batches import Lengths, plan_batches, write_plan
from state_store import layout
from state_store.pairs import StoredPair, write_pairs
from state_store.scann_index import choose_index_kind
from state_store.spaces import sample_rows

HELD_OUT_SENTENCES = 500
_HELD_OUT_EVERY = 100
_BYTES_PER_TOKEN_ROW = 16
_BYTES_PER_PLACE = 8
_TOKENIZERS = "tokenizers"


@dataclass(frozen=True, slots=True)
class StorePlan:
    """What will be built.

    Attributes:
        pairs: sentence pairs that will be in the store; ``left_out`` cannot be expressed or are too long, and
            ``first_left_out`` says why of the first.
        source_tokens, target_tokens: their tokens, end of sentence included.
        rows: rows of each space.
        bytes_needed: room on disk while it is built; ``bytes_kept`` afterwards. Both are estimates.
        targets_known: false while the model has yet to make the targets; their tokens are a guess till then.
    """

    pairs: int
    left_out: int
    first_left_out: str
    source_tokens: int
    target_tokens: int
    rows: dict[str, int]
    bytes_needed: int
    bytes_kept: int
    targets_known: bool = True


@dataclass(slots=True)
class PairSelection:
    """Counts over a corpus while it is read.

    Attributes:
        corpus: its name, for people.
        has_targets: its own; without, targets are what the model makes of the sources, or not there yet.
    """

    tokenizer: PairTokenizer
    corpus: str
    has_targets: bool
    lengths: list[tuple[int, int]] = field(default_factory=list)
    text_bytes: int = 0
    left_out: int = 0
    first_left_out: str = ""

    def accept(self, pairs: Iterable[SentencePair]) -> Iterator[StoredPair]:
        """The pairs that the model can read, numbered; the others are counted."""
        for pair in pairs:
            try:
                tokens = self.tokenizer.read(pair)
            except RequestError as error:
                self.leave_out(pair.line, str(error))
                continue
            # A target that is not there yet will be about as long as its source.
            self.lengths.append((len(tokens.source_ids), len(tokens.target_ids or tokens.source_ids)))
            self.text_bytes += len(pair.source.encode()) + len((pair.target or pair.source).encode()) + 80
            yield StoredPair(
                len(self.lengths) - 1,
                pair.source,
                pair.target or "",
                pair.line,
                target_is_model_output=not self.has_targets,
            )

    def leave_out(self, line: int, reason: str) -> None:
        """Count a pair that will not be in the store."""
        self.left_out += 1
        self.first_left_out = self.first_left_out or f"{self.corpus}, line {line}: {reason}"


def plan_store(build: StoreBuild, *, progress: Progress) -> tuple[StorePlan, bool]:
    """Tokenize the corpus, write its pairs and the batch plan; return the plan and whether it was there already.

    Raises:
        CorpusError: a line is broken, or no pair can be used. CheckpointError: the checkpoint cannot be read.
    """
    known = build.ledger.recall("plan", build.plan_fingerprint)
    if known is not None:
        return StorePlan(**known), True
    for folder in (build.staged, build.sources):
        shutil.rmtree(folder, ignore_errors=True)
    # Before anything is exported
    manifest, train = build.model.write_tokenizers(build.folder / _TOKENIZERS), build.corpora.train
    selection = PairSelection(_open_tokenizers(build, manifest), build.corpus_name, train.has_targets)
    with progress.track("plan", len(train), "pairs") as advance:
        pairs = selection.accept(_counted(_indexed_pairs(build), advance))
        plan, files = plan_pairs(build, manifest, selection, pairs, targets_known=train.has_targets)
    build.ledger.record("plan", build.plan_fingerprint, files, asdict(plan))
    return plan, False


def plan_pairs(
    build: StoreBuild,
    manifest: ModelManifest,
    selection: PairSelection,
    pairs: Iterable[StoredPair],
    *,
    targets_known: bool,
) -> tuple[StorePlan, list[Path]]:
    """Write pairs that were selected, and the plan of their batches; return the estimate and the files.

    Raises:
        CorpusError: there are none.
    """
    staged, batches = (build.staged, build.folder) if targets_known else (build.sources, build.sources)
    with explain_disk_errors(staged):
        staged.mkdir(parents=True, exist_ok=True)
    write_pairs(staged, pairs)
    if not selection.lengths:
        reason = f" ({selection.first_left_out})" if selection.left_out else ""
        raise CorpusError(f"The corpus of {build.project.path} has no pair that can be encoded{reason}.")
    files = [staged / name for name in layout.PAIR_FILES]
    lengths: Lengths = np.array(selection.lengths, np.int64)
    plan = plan_batches(lengths, build.project.content.store.shard_pairs, build.batch_tokens)
    files.append(write_plan(batches, plan))
    return _estimate(build, manifest, selection, lengths, targets_known=targets_known), files


def sample_held_out(build: StoreBuild) -> list[SentencePair]:
    """Pairs that calibrate what "near" means and are not in the store: of the validation corpus, else of 1 %."""
    pairs = list(_held_out_pairs(build))
    return [pairs[number] for number in sample_rows(len(pairs), HELD_OUT_SENTENCES).tolist()] if pairs else []


def check_space(plan: StorePlan, build: StoreBuild, *, encoded: bool) -> None:
    """Refuse to go on where the disk is too small for what is not there yet.

    Args:
        encoded: the corpus is encoded already, so that no room is needed for shards.

    Raises:
        BuildError: with how much is needed and how much is free.
    """
    folder = build.workspace.root
    files = (path for part in (build.staged, build.shards) for path in part.rglob("*") if path.is_file())
    needed = (plan.bytes_kept if encoded else plan.bytes_needed) - sum(path.stat().st_size for path in files)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BuildError(
            f"The build needs about {format_size(needed)} in {folder}, but {format_size(free)} are free; "
            "free some space or choose another --workspace."
        )


def describe_plan(plan: StorePlan) -> str:
    """The size estimate, for people."""
    rows = ", ".join(f"{count:,} {space}" for space, count in plan.rows.items())
    disk = f"Disk: about {format_size(plan.bytes_needed)} while building, {format_size(plan.bytes_kept)} when done."
    if plan.targets_known:
        tokens = plan.source_tokens + plan.target_tokens
        return f"{plan.pairs:,} sentence pairs, {tokens:,} tokens; states: {rows}. {disk}"
    return (
        f"{plan.pairs:,} sources without targets, {plan.source_tokens:,} tokens: the model will translate them. If the "
        f"translations are as long, states: {rows}. {disk}"
    )


def _open_tokenizers(build: StoreBuild, manifest: ModelManifest) -> PairTokenizer:
    folder = build.folder / _TOKENIZERS
    source = load_tokenizer(folder, manifest.source_tokenizer, manifest)
    return PairTokenizer(manifest, source, load_tokenizer(folder, manifest.target_tokenizer, manifest))


def _indexed_pairs(build: StoreBuild) -> Iterator[SentencePair]:
    if build.corpora.validation is not None:
        return iter(build.corpora.train)
    return (pair for number, pair in enumerate(build.corpora.train) if not _is_held_out(number))


def _is_held_out(number: int) -> bool:
    return number % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1


def _held_out_pairs(build: StoreBuild) -> Iterator[SentencePair]:
    if build.corpora.validation is not None:
        return iter(build.corpora.validation)
    return (pair for number, pair in enumerate(build.corpora.train) if _is_held_out(number))


def _counted(pairs: Iterable[SentencePair], advance: Advance) -> Iterator[SentencePair]:
    for pair in pairs:
        yield pair
        advance(1)


def _estimate(
    build: StoreBuild, manifest: ModelManifest, selection: PairSelection, lengths: Lengths, *, targets_known: bool
) -> StorePlan:
    source_tokens, target_tokens = (int(total) for total in lengths.sum(axis=0))
    spaces = build.chosen_spaces(manifest)
    rows = {space.name: source_tokens if space.owner == "source" else target_tokens for space in spaces}
    states = sum(rows[space.name] * (2 * space.size + _BYTES_PER_TOKEN_ROW) for space in spaces)
    # ScaNN keeps a byte a dimension, a norm, and which rows are in which leaf.
    index = sum(rows[s.name] * (s.size + 8) for s in spaces if choose_index_kind(rows[s.name]) != "exact")
    maps = sum(rows.values()) * len(build.project.content.store.maps) * _BYTES_PER_PLACE
    kept = states + index + maps + selection.text_bytes + 32 * len(lengths)
    return StorePlan(
        pairs=len(lengths),
        left_out=selection.left_out,
        first_left_out=selection.first_left_out,
        source_tokens=source_tokens,
        target_tokens=target_tokens,
        targets_known=targets_known,
        rows=rows,
        bytes_needed=kept + states,
        bytes_kept=kept,
    )
