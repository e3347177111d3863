"""One request under every combination of beam size and length penalty: which hypotheses appear, move and vanish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final

from exported_models.contract.errors import RequestError
from exported_models.contract.request import Request
from exported_models.engine import Engine, Translation, Translations

BEAM_SIZES: Final = tuple(range(1, 21))
LENGTH_PENALTIES: Final = (0.0, 0.5, 1.0, 1.5, 2.0)
MOST_SETTINGS: Final = 500
"""Number of combinations that one sweep may have."""


class Event(StrEnum):
    """The difference of an n-best list from that of the beam size before."""

    APPEARS = "appears"
    MOVES = "moves"
    VANISHES = "vanishes"


@dataclass(frozen=True, slots=True)
class SweptHypothesis:
    """A hypothesis that some setting found, or the end of a kept path.

    Attributes:
        score: summed log-probability. A repetition penalty weighs it, under a beam of 1 in another way than under
            larger ones; it is then that of the largest beam that found the hypothesis.
        ranks: for each beam size, for each length penalty, its rank in the n-best list; None where it is not there.
        beside: whether some setting has it as a kept path of the request alone.
    """

    tokens: tuple[str, ...]
    text: str
    score: float
    ranks: tuple[tuple[int | None, ...], ...]
    beside: bool

    @property
    def wins(self) -> int:
        """Number of settings whose best hypothesis this is."""
        return sum(rank == 0 for row in self.ranks for rank in row)


@dataclass(frozen=True, slots=True)
class Sweep:
    """The n-best lists of all settings.

    Attributes:
        hypotheses: those that win most settings first, then the ends of kept paths, then by score.
        normalized: for each beam size, for each length penalty, the normalized score of the best hypothesis.
        refused: beam sizes that cannot be searched, which ``beam_sizes`` lacks, each with the reason.
    """

    request: Request
    beam_sizes: tuple[int, ...]
    length_penalties: tuple[float, ...]
    hypotheses: tuple[SweptHypothesis, ...]
    normalized: tuple[tuple[float, ...], ...]
    refused: tuple[tuple[int, str], ...]

    @property
    def winners(self) -> tuple[tuple[int, ...], ...]:
        """For each beam size, for each length penalty, the place of the best hypothesis in ``hypotheses``."""
        return tuple(
            tuple(self._find_winner(row, column) for column in range(len(self.length_penalties)))
            for row in range(len(self.beam_sizes))
        )

    def list_events(self, penalty: int) -> Iterator[tuple[int, int, Event]]:
        """Changes from each beam size to the next: (place of the larger one, place of a hypothesis, event).

        Args:
            penalty: place of the length penalty that is held.
        """
        for row, _ in enumerate(self.beam_sizes[1:], 1):
            for place, hypothesis in enumerate(self.hypotheses):
                event = _name_event(hypothesis.ranks[row - 1][penalty], hypothesis.ranks[row][penalty])
                if event is not None:
                    yield row, place, event

    def _find_winner(self, row: int, column: int) -> int:
        return next(place for place, found in enumerate(self.hypotheses) if found.ranks[row][column] == 0)


def sweep(
    engine: Engine,
    request: Request,
    beam_sizes: Sequence[int] = BEAM_SIZES,
    length_penalties: Sequence[float] = LENGTH_PENALTIES,
    report: Callable[[int], object] = lambda _: None,
) -> Sweep:
    """Decode a request under every combination of settings.

    Args:
        request: its own beam size and length penalty are not used.
        beam_sizes, length_penalties: ascending, without repetition.
        report: called with the number of settings that were decoded since its last call.

    Raises:
        RequestError: there are no settings or too many, they are not ascending, or none can be answered.
        UnwantedError: the call was cancelled.
    """
    _check(beam_sizes, length_penalties)
    asked = [
        replace(request, beam_size=beam_size, length_penalty=penalty)
        for beam_size in beam_sizes
        for penalty in length_penalties
    ]
    lists = engine.translate_all(asked, report)
    width = len(length_penalties)
    answered, refused = _divide(beam_sizes, [lists[start : start + width] for start in range(0, len(lists), width)])
    rows = list(answered.values())
    found = {one.tokens: one for row in rows for translations in row for one in translations}
    beside = {one.tokens for row in rows for translations in row for one in translations if one.beside}
    hypotheses = [_follow(one, rows, beside=one.tokens in beside) for one in found.values()]
    hypotheses.sort(key=lambda hypothesis: (-hypothesis.wins, not hypothesis.beside, -hypothesis.score))
    normalized = tuple(tuple(translations[0].normalized for translations in row) for row in rows)
    return Sweep(
        request=request,
        beam_sizes=tuple(answered),
        length_penalties=tuple(length_penalties),
        hypotheses=tuple(hypotheses),
        normalized=normalized,
        refused=tuple((beam_size, str(error)) for beam_size, error in refused.items()),
    )


def _divide(
    beam_sizes: Sequence[int], rows: Sequence[Sequence[Translations]]
) -> tuple[dict[int, list[tuple[Translation, ...]]], dict[int, RequestError]]:
    """Beam sizes with their lists, and those that are refused.

    Raises:
        RequestError: all are.
    """
    answered: dict[int, list[tuple[Translation, ...]]] = {}
    refused: dict[int, RequestError] = {}
    for beam_size, row in zip(beam_sizes, rows, strict=True):
        lists = [each for each in row if not isinstance(each, RequestError)]
        errors = [each for each in row if isinstance(each, RequestError)]
        if errors:
            refused[beam_size] = errors[0]
        else:
            answered[beam_size] = lists
    if not answered:
        raise next(iter(refused.values()))
    return answered, refused


def _check(beam_sizes: Sequence[int], length_penalties: Sequence[float]) -> None:
    for field, values in (("beam_sizes", beam_sizes), ("length_penalties", length_penalties)):
        words = field.replace("_", " ")
        if not values:
            raise RequestError(f"There are no {words} to sweep over; name at least one.", field=field)
        if any(one >= other for one, other in pairwise(values)):
            raise RequestError(f"The {words} are not ascending; name each once, the smallest first.", field=field)
    count = len(beam_sizes) * len(length_penalties)
    if count > MOST_SETTINGS:
        raise RequestError(
            f"A sweep over {count} settings is too large; ask for at most {MOST_SETTINGS}.", field="beam_sizes"
        )


def _follow(one: Translation, rows: Sequence[Sequence[tuple[Translation, ...]]], *, beside: bool) -> SweptHypothesis:
    """The rank of a hypothesis under every setting."""
    ranks = tuple(tuple(_find_rank(one, translations) for translations in row) for row in rows)
    return SweptHypothesis(one.tokens, one.text, one.score, ranks, beside)


def _find_rank(one: Translation, translations: Sequence[Translation]) -> int | None:
    found = (rank for rank, other in enumerate(translations) if other.tokens == one.tokens and not other.beside)
    return next(found, None)


def _name_event(before: int | None, after: int | None) -> Event | None:
    if before == after:
        return None
    if before is None:
        return Event.APPEARS
    return Event.VANISHES if after is None else Event.MOVES
