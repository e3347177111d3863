"""What-ifs, a search for attention and a sweep, as paragraphs and tables for a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from beamscope.text_tables import Block, TextTable, count, quote_token, show_plainly
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.what_ifs.attention import AttentionSearch, TriedAttention, rank_attention
from exported_models.what_ifs.sweep import Event, Sweep
from exported_models.what_ifs.trials import Trial, measure_steps, rank_trials
from exported_models.wording import KEPT_BESIDE

MOST_TRIALS = 20
"""What-ifs that are listed."""
MOST_ATTENTION = 5
"""Trials of attention that are listed."""
MOST_HYPOTHESES = 10
"""Hypotheses of a sweep that are listed."""


def describe_trials(hypothesis: Hypothesis, trials: Sequence[Trial], limit: int = MOST_TRIALS) -> Iterator[Block]:
    """What-ifs by how much they change, and the mean share that other words change at each step."""
    answered = [trial for trial in rank_trials(trials) if not trial.reason]
    refused = dict.fromkeys(trial.reason for trial in trials if trial.reason)
    yield show_plainly(hypothesis.text)
    if answered or not refused:
        yield _list_trials(answered[:limit], len(answered)) if answered else "There is nothing to try."
    steps = _list_steps(hypothesis, trials)
    if steps.rows:
        yield steps
    if refused:
        yield "\n".join(refused)


def _list_trials(trials: Sequence[Trial], total: int) -> TextTable:
    rows = [
        (
            f"{trial.changed_share:.0%}",
            f"{trial.score_change:+.4f}",
            show_plainly(trial.words),
            "" if trial.translation is None else show_plainly(trial.translation.text),
        )
        for trial in trials
    ]
    more = f"... and {total - len(trials)} more" if len(trials) < total else ""
    shares = [trial.changed_share for trial in trials]
    return TextTable(("words", "score", "what-if", "translation"), rows, frozenset({0, 1}), more, shares)


def _list_steps(hypothesis: Hypothesis, trials: Sequence[Trial]) -> TextTable:
    shares = measure_steps(trials, len(hypothesis.tokens))
    found = [(step, share) for step, share in enumerate(shares) if share is not None]
    rows = [(str(step), quote_token(hypothesis.tokens[step]), f"{share:.0%}") for step, share in found]
    header = ("step", "token", "words changed by another word here, mean")
    return TextTable(header, rows, frozenset({0, 2}), shares=[share for _, share in found], bars=2)


def describe_attention_search(found: AttentionSearch, trace: Trace) -> Iterator[Block]:
    """The answer, and the trials next to it."""
    token, best = quote_token(found.token), found.best
    before = f"{token} is number {found.before.rank + 1} at step {found.step}"
    if best.succeeds:
        yield f"{before}. It becomes the most probable token with attention {_name(best, trace)}."
    else:
        yield (
            f"{before}. No attention on one position makes it the most probable token; {_name(best, trace)} is nearest."
        )
    listed = rank_attention(found.tried)[:MOST_ATTENTION]
    rows = [
        (_name(trial, trace), f"{trial.probability:.4f}", str(trial.rank + 1), f"{trial.change:.3f}")
        for trial in listed
    ]
    header, note = ("attention", "probability", "rank", "change"), f"{count(len(found.tried), 'trial')}."
    shares = [trial.probability for trial in listed]
    yield TextTable(header, rows, frozenset({1, 2, 3}), note, shares, bars=1)


def _name(trial: TriedAttention, trace: Trace) -> str:
    layer, head = trial.wish.layer, trial.wish.head
    place = "" if layer is None else f", layer {layer}"
    place += "" if head is None else f", head {head}"
    return f"on {quote_token(trace.source.tokens[trial.position])} ({trial.position}){place}"


def describe_sweep(found: Sweep) -> Iterator[Block]:
    """The letter of the winning hypothesis under each setting, and the hypotheses that appear, move and vanish."""
    yield _list_hypotheses(found)
    grid = [
        (str(beam_size), *map(_letter, row)) for beam_size, row in zip(found.beam_sizes, found.winners, strict=True)
    ]
    yield TextTable(("beam", *(f"penalty {one:g}" for one in found.length_penalties)), grid, frozenset({0}))
    lines = [*_list_events(found), *(f"beam {beam_size} is left out: {reason}" for beam_size, reason in found.refused)]
    if lines:
        yield "\n".join(lines)


def _list_hypotheses(found: Sweep) -> TextTable:
    listed = found.hypotheses[:MOST_HYPOTHESES]
    settings = len(found.beam_sizes) * len(found.length_penalties)
    rows = [
        (
            _letter(place),
            show_plainly(one.text) + (KEPT_BESIDE if one.beside else ""),
            f"{one.score:.4f}",
            str(one.wins),
        )
        for place, one in enumerate(listed)
    ]
    more = len(found.hypotheses) - len(listed)
    header, note = ("", "hypothesis", "summed score", "wins"), f"... and {more} more" if more else ""
    shares = [one.wins / settings for one in listed]
    return TextTable(header, rows, frozenset({2, 3}), note, shares, bars=3)


def _list_events(found: Sweep) -> Iterator[str]:
    """One line for each beam size and length penalty at which listed hypotheses come, move or go."""
    for penalty, length_penalty in enumerate(found.length_penalties):
        by_row: dict[int, list[str]] = {}
        for row, place, event in found.list_events(penalty):
            if place < MOST_HYPOTHESES and event is not Event.MOVES:
                by_row.setdefault(row, []).append(f"{_letter(place)} {event.value}")
        for row, events in by_row.items():
            yield f"beam {found.beam_sizes[row]}, penalty {length_penalty:g}: {', '.join(events)}"


def _letter(place: int) -> str:
    """``A``, ``B``, ... ``Z``, then ``A1``, ``B1``, ..."""
    round_, letter = divmod(place, 26)
    return chr(ord("A") + letter) + (str(round_) if round_ else "")
