"""The corpora of a project: finding their files, or running the script that generates them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from exported_models.contract.publishing import digest_file, digest_value, explain_disk_errors
from pipeline.build.project_file import CorpusSection, Project
from pipeline.corpus.readers import CorpusReader, SentencePair, open_corpus
from pipeline.errors import CorpusError
from pipeline.progress import Progress
from pipeline.work.ledger import Ledger
from state_store.spaces import sample_rows

_GENERATED = "corpus"
_HELD_OUT_EVERY = 100
_LAST_LINES = 3


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus of a project.

    Attributes:
        limit: most pairs that are read; None for all.
        fingerprint: of the content when the corpus was opened.
        has_targets: taken from the first pair. A reader refuses a corpus that has targets for some sources only.
    """

    reader: CorpusReader
    limit: int | None
    fingerprint: str
    has_targets: bool

    def __iter__(self) -> Iterator[SentencePair]:
        return islice(iter(self.reader), self.limit)

    def __len__(self) -> int:
        return len(self.reader) if self.limit is None else min(len(self.reader), self.limit)


@dataclass(frozen=True, slots=True)
class ProjectCorpora:
    """The corpora of a project.

    Attributes:
        train: the pairs that are encoded.
        validation: the pairs that are held out; None if they are a part of ``train``.
    """

    train: Corpus
    validation: Corpus | None

    @property
    def held_out(self) -> Corpus:
        """The corpus that the held-out pairs are of."""
        return self.validation or self.train

    @property
    def have_targets(self) -> bool:
        """Whether nothing has to be translated."""
        return self.train.has_targets and self.held_out.has_targets

    def indexed(self) -> Iterator[SentencePair]:
        """The pairs that are encoded."""
        if self.validation is not None:
            return iter(self.train)
        return (pair for number, pair in enumerate(self.train) if not _is_held_out(number))

    def held_out_sample(self, count: int) -> list[SentencePair]:
        """At most ``count`` pairs that are not in the store: of the validation corpus, else every hundredth pair."""
        if self.validation is not None:
            pairs = list(self.validation)
        else:
            pairs = [pair for number, pair in enumerate(self.train) if _is_held_out(number)]
        return [pairs[number] for number in sample_rows(len(pairs), count).tolist()] if pairs else []

    @property
    def fingerprint(self) -> str:
        held_out = self.validation.fingerprint if self.validation else None
        return digest_value(["corpora", self.train.fingerprint, held_out])


@dataclass(frozen=True, slots=True)
class GeneratedCorpus:
    """The files that a generator wrote, relative to their folder."""

    files: tuple[str, ...]


def open_corpora(project: Project, ledger: Ledger, *, progress: Progress) -> ProjectCorpora:
    """Open the corpora of a project, after its generator wrote them if it has one.

    A generator is a Python script that the project file names. It runs in a process of its own with this Python, as
    ``python SCRIPT --out FOLDER``, once as long as the script stays the same and no file it wrote is missing or of
    another size. Files that the script reads or imports are not watched: after changing one, change the script too (a
    comment is enough).

    Raises:
        CorpusError: a file is missing, or the generator fails; the message ends with the last lines of its output.
    """
    section = project.content.corpus
    folder = project.path.parent
    if section.generator is not None:
        folder = _generate(project.beside(section.generator), ledger, progress=progress)
    train = _open(folder, section.train, section.train_target, section)
    if section.validation is None:
        return ProjectCorpora(train, None)
    return ProjectCorpora(train, _open(folder, section.validation, section.validation_target, section))


def _open(folder: Path, path: Path, target: Path | None, section: CorpusSection) -> Corpus:
    reader = open_corpus(
        folder / path,
        None if target is None else folder / target,
        source_field=section.source_field,
        target_field=section.target_field or None,
    )
    fingerprint = digest_value(["corpus", reader.fingerprint(), section.limit])
    first = next(iter(reader), None)
    return Corpus(reader, section.limit, fingerprint, has_targets=first is None or first.target is not None)


def _generate(script: Path, ledger: Ledger, *, progress: Progress) -> Path:
    folder = ledger.folder / _GENERATED
    if not script.is_file():
        raise CorpusError(f"There is no corpus generator {script}.")
    fingerprint = digest_value(["generate", digest_file(script)])
    ledger.run_once("generate", fingerprint, GeneratedCorpus, lambda: _run_generator(script, folder, progress))
    return folder


def _run_generator(script: Path, folder: Path, progress: Progress) -> tuple[GeneratedCorpus, list[Path]]:
    progress.note(f"Generating the corpus with {script.name}")
    with explain_disk_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    _run([sys.executable, str(script), "--out", str(folder)], script)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return GeneratedCorpus(tuple(path.relative_to(folder).as_posix() for path in files)), files


def _is_held_out(number: int) -> bool:
    return number % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1


def _run(command: Sequence[str], script: Path) -> None:
    # Neither the output of a script nor the locale of a service need be UTF-8.
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        words = " / ".join(done.stderr.strip().splitlines()[-_LAST_LINES:]) or "it said nothing"
        raise CorpusError(f"The corpus generator {script} failed with exit code {done.returncode}: {words}")
