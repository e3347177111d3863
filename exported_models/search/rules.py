"""What a model's generation settings rule out from prefix to prefix, by the rules of Hugging Face ``generate``.

Tokens that are never produced have no probability in the graphs already. These depend on what was said before, and are
left out of a search after the step has run: the others keep their probabilities, as in ``generate``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exported_models.contract.manifest import GenerationDefaults, ModelManifest
from exported_models.contract.trace import PrunedBy

_Grams = Mapping[tuple[int, ...], frozenset[int]]
"""The tokens that follow all but the last token of an n-gram."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The rules of a model for one source."""

    generation: GenerationDefaults
    start_id: int
    end_id: int
    source_grams: _Grams
    active: bool
    """Whether there is any rule: it is asked for every row of every step."""

    @classmethod
    def of(cls, manifest: ModelManifest, source_ids: Sequence[int]) -> TokenRules:
        """The rules for a source given as token ids."""
        size = manifest.generation.source_ngram_size
        grams = _list_grams(tuple(source_ids), size) if size else {}
        generation = manifest.generation
        return cls(generation, manifest.start_id, manifest.end_id, grams, generation.has_rules)

    def find(self, path: tuple[int, ...]) -> dict[int, PrunedBy]:
        """The tokens that may not come after ``path``, a target's tokens without the start, and why."""
        if not self.active:
            return {}
        found = dict.fromkeys(self._end_bad_words(path), PrunedBy.BAD_WORDS)
        found |= dict.fromkeys(self._repeat(path), PrunedBy.REPEATED)
        if len(path) + 1 < self.generation.min_length:
            found[self.end_id] = PrunedBy.MIN_LENGTH
        return found

    def _repeat(self, path: tuple[int, ...]) -> Iterator[int]:
        """Tokens that complete an n-gram of the target so far, its start included, or of the source."""
        read, size = (self.start_id, *path), self.generation.ngram_size
        if 0 < size <= len(read):
            yield from _list_grams(read, size).get(_last(read, size - 1), ())
        if self.source_grams:
            yield from self.source_grams.get(_last(read, self.generation.source_ngram_size - 1), ())

    def _end_bad_words(self, path: tuple[int, ...]) -> Iterator[int]:
        read = (self.start_id, *path)
        for words in self.generation.bad_sequences:
            if _last(read, len(words) - 1) == words[:-1]:
                yield words[-1]
        if len(path) == (0 if self.generation.forced_first_id is None else 1):
            yield from self.generation.begin_suppressed_ids


def _list_grams(ids: tuple[int, ...], size: int) -> _Grams:
    found: dict[tuple[int, ...], set[int]] = {}
    for start in range(len(ids) - size + 1):
        *before, last = ids[start : start + size]
        found.setdefault(tuple(before), set()).add(last)
    return {before: frozenset(tokens) for before, tokens in found.items()}


def _last(ids: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The last ``count`` ids, fewer where there are not so many."""
    return ids[max(0, len(ids) - count) :]
