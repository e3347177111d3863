"""Many what-ifs, the search for attention, and a sweep as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from beamscope.text_tables import count, format_table, quote_token, show_plainly
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.what_ifs.attention import AttentionSearch, TriedAttention, rank_attention
from exported_models.what_ifs.sweep import Event, Sweep
from exported_models.what_ifs.trials import Trial, measure_steps, rank_trials

MOST_ATTENTION = 5
"""Trials of attention that are listed."""
MOST_HYPOTHESES = 10
"""Hypotheses of a sweep that are listed."""


def describe_trials(hypothesis: Hypothesis, trials: Sequence[Trial], limit: int | None) -> str:
    """What-ifs by how much they change, and the mean share that other words change at each step."""
    answered = [trial for trial in rank_trials(trials) if not trial.reason]
    refused = dict.fromkeys(trial.reason for trial in trials if trial.reason)
    parts = [
        [show_plainly(hypothesis.text)],
        _list_trials(answered[:limit], len(answered)),
        _list_steps(hypothesis, trials),
        list(refused),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _list_trials(trials: Sequence[Trial], total: int) -> list[str]:
    if not trials:
        return ["There is nothing to try."]
    rows = [
        (
            f"{trial.changed_share:.0%}",
            f"{trial.score_change:+.4f}",
            show_plainly(trial.words),
            "" if trial.translation is None else show_plainly(trial.translation.text),
        )
        for trial in trials
    ]
    table = format_table([("words", "score", "what-if", "translation"), *rows], right=frozenset({0, 1}))
    return [*table, f"... and {total - len(trials)} more"] if len(trials) < total else table


def _list_steps(hypothesis: Hypothesis, trials: Sequence[Trial]) -> list[str]:
    shares = measure_steps(trials, len(hypothesis.tokens))
    rows = [
        (str(step), quote_token(token), f"{share:.0%}")
        for step, (token, share) in enumerate(zip(hypothesis.tokens, shares, strict=True))
        if share is not None
    ]
    head = ("step", "token", "words changed by another word here, mean")
    return format_table([head, *rows], right=frozenset({0, 2})) if rows else []


def describe_attention_search(found: AttentionSearch, trace: Trace) -> str:
    """The answer, and the trials next to it."""
    token, best = quote_token(found.token), found.best
    before = f"{token} is number {found.before.rank + 1} at step {found.step}"
    if best.succeeds:
        answer = f"{before}. It becomes the most probable token with attention {_name(best, trace)}."
    else:
        answer = (
            f"{before}. No attention on one position makes it the most probable token; {_name(best, trace)} is nearest."
        )
    rows = [
        (_name(trial, trace), f"{trial.probability:.4f}", str(trial.rank + 1), f"{trial.change:.3f}")
        for trial in rank_attention(found.tried)[:MOST_ATTENTION]
    ]
    table = format_table([("attention", "probability", "rank", "change"), *rows], right=frozenset({1, 2, 3}))
    return "\n".join([answer, "", *table, f"{count(len(found.tried), 'trial')}."])


def _name(trial: TriedAttention, trace: Trace) -> str:
    layer, head = trial.wish.layer, trial.wish.head
    place = "" if layer is None else f", layer {layer}"
    place += "" if head is None else f", head {head}"
    return f"on {quote_token(trace.source.tokens[trial.position])} ({trial.position}){place}"


def describe_sweep(found: Sweep) -> str:
    """The letter of the winning hypothesis under each setting, and the hypotheses that appear, move and vanish."""
    listed = found.hypotheses[:MOST_HYPOTHESES]
    rows = [
        (_letter(place), show_plainly(one.text), f"{one.score:.4f}", str(one.wins)) for place, one in enumerate(listed)
    ]
    hypotheses = format_table([("", "hypothesis", "log-probability", "wins"), *rows], right=frozenset({2, 3}))
    more = len(found.hypotheses) - len(listed)
    hypotheses += [f"... and {more} more"] if more else []
    grid = [
        (str(beam_size), *map(_letter, row)) for beam_size, row in zip(found.beam_sizes, found.winners, strict=True)
    ]
    header = ("beam", *(f"penalty {penalty:g}" for penalty in found.length_penalties))
    parts = [hypotheses, format_table([header, *grid], right=frozenset({0})), list(_list_events(found))]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


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
