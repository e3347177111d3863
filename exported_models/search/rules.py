"""Rules of a search: tokens that may not follow a prefix, as in ``generate``.

Tokens that are never produced have no probability in the graphs already. The tokens here depend on the prefix, and are
left out of a search after the step has run: the others keep their probabilities, as in ``generate``.

The n-grams of a prefix grow with it, one a token (`Said`). They lie in a few dictionaries of decreasing size, which
prefixes share and never change, as in a log-structured merge tree (O'Neil et al. 1996). All n-grams of n tokens cost
n log n entries that way, and a beam that branches copies nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exported_models.contract.manifest import GenerationDefaults, ModelManifest
from exported_models.contract.trace import PrunedBy

ForbiddenIds = tuple[tuple[int, ...], int | None]
"""Token ids of a phrase that a request forbids, and the step at which it may not begin; None for every step."""
_Grams = Mapping[tuple[int, ...], frozenset[int]]
"""All but the last token of an n-gram -> the last tokens that were found after them."""


@dataclass(frozen=True, slots=True)
class Said:
    """A prefix and its n-grams; made by `TokenRules.begin` and `TokenRules.extend`.

    Attributes:
        path: token ids, the start left out.
        grams: n-grams of the size that the rules forbid to repeat, the start included; empty without that rule.
    """

    path: tuple[int, ...]
    grams: tuple[_Grams, ...]


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The rules of a search of one source.

    Attributes:
        generation: the model's generation settings, with the rules of the request.
        source_grams: n-grams of the source, of the size that the target may not repeat.
        active: whether there is any rule. A search asks for every row of every step.
        forbidden: phrases that the request forbids.
    """

    generation: GenerationDefaults
    start_id: int
    end_id: int
    source_grams: _Grams
    active: bool
    forbidden: Sequence[ForbiddenIds] = ()

    @classmethod
    def of(
        cls,
        manifest: ModelManifest,
        source_ids: Sequence[int],
        generation: GenerationDefaults,
        forbidden: Sequence[ForbiddenIds] = (),
    ) -> TokenRules:
        """The rules for a source given as token ids."""
        grams = _list_grams(tuple(source_ids), generation.source_ngram_size)
        active = generation.has_rules or bool(forbidden)
        return cls(generation, manifest.start_id, manifest.end_id, grams, active, forbidden)

    def begin(self, path: tuple[int, ...] = ()) -> Said:
        """A prefix with all its n-grams."""
        grams = _list_grams((self.start_id, *path), self.generation.ngram_size)
        return Said(path, (grams,) if grams else ())

    def extend(self, said: Said, token_id: int) -> Said:
        """The prefix with one token more, and the n-gram that ends with it."""
        path, size = (*said.path, token_id), self.generation.ngram_size
        if not 0 < size <= len(path) + 1:
            return Said(path, said.grams)
        before = path[-size:-1] if size <= len(path) else (self.start_id, *path[:-1])
        return Said(path, _add_gram(said.grams, before, token_id))

    def find(self, said: Said) -> dict[int, PrunedBy]:
        """The tokens that may not come after a prefix, and why."""
        found = self.find_of_settings(said)
        return found | dict.fromkeys(self._end_forbidden(said.path), PrunedBy.FORBIDDEN) if self.forbidden else found

    def find_of_settings(self, said: Said) -> dict[int, PrunedBy]:
        """The tokens that the generation settings rule out after a prefix, forbidden phrases left aside."""
        if not self.active:
            return {}
        found = dict.fromkeys(self._end_bad_words(said.path), PrunedBy.BAD_WORDS)
        found |= dict.fromkeys(self._repeat(said), PrunedBy.REPEATED)
        if len(said.path) + 1 < self.generation.min_length:
            found[self.end_id] = PrunedBy.MIN_LENGTH
        return found

    def _repeat(self, said: Said) -> Iterator[int]:
        """Tokens that complete an n-gram of the target so far, its start included, or of the source."""
        if said.grams:
            before = self._last(said.path, self.generation.ngram_size - 1)
            for grams in said.grams:
                yield from grams.get(before, ())
        if self.source_grams:
            yield from self.source_grams.get(self._last(said.path, self.generation.source_ngram_size - 1), ())

    def _end_bad_words(self, path: tuple[int, ...]) -> Iterator[int]:
        for words in self.generation.bad_sequences:
            if self._last(path, len(words) - 1) == words[:-1]:
                yield words[-1]
        if len(path) == (0 if self.generation.forced_first_id is None else 1):
            yield from self.generation.begin_suppressed_ids

    def _end_forbidden(self, path: tuple[int, ...]) -> Iterator[int]:
        """Last tokens of forbidden phrases whose other tokens end the path; the start is part of no phrase."""
        for (*before, last), step in self.forbidden:
            begin = len(path) - len(before)
            if begin >= 0 and step in (None, begin) and path[begin:] == tuple(before):
                yield last

    def _last(self, path: tuple[int, ...], count: int) -> tuple[int, ...]:
        """The last ``count`` tokens of the start and a path, fewer where there are not so many."""
        return path[len(path) - count :] if count <= len(path) else (self.start_id, *path)


def _add_gram(grams: tuple[_Grams, ...], before: tuple[int, ...], last: int) -> tuple[_Grams, ...]:
    """The dictionaries with one n-gram more; the newest are merged while one is not larger than the next."""
    newest: _Grams = {before: frozenset((last,))}
    while grams and len(grams[-1]) <= len(newest):
        *rest, older = grams
        grams, newest = tuple(rest), _merge(older, newest)
    return (*grams, newest)


def _merge(older: _Grams, newer: _Grams) -> _Grams:
    return {**older, **{before: older.get(before, frozenset()) | tokens for before, tokens in newer.items()}}


def _list_grams(ids: tuple[int, ...], size: int) -> _Grams:
    """All n-grams of a size in ``ids``; none of size 0."""
    found: dict[tuple[int, ...], set[int]] = {}
    for start in range(len(ids) - size + 1 if size else 0):
        *before, last = ids[start : start + size]
        found.setdefault(tuple(before), set()).add(last)
    return {before: frozenset(tokens) for before, tokens in found.items()}
