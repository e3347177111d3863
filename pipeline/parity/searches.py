"""Comparing beam searches of an exported model with those of its checkpoint, which share no code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exported_models.completion import complete_request, search_settings
from exported_models.contract.request import Request
from exported_models.contract.source import Source
from exported_models.contract.trace import Trace
from exported_models.runtime.model import ExportedModel
from exported_models.search.search import record_source, search
from pipeline.models.checkpoint import LoadedCheckpoint, ReferenceHypothesis
from pipeline.parity.outputs import sum_scores
from pipeline.parity.sample import SamplePair


@dataclass(frozen=True, slots=True)
class Lacking:
    """A hypothesis of the checkpoint that an export's n-best list lacks, and those that stand in the list instead.

    Attributes:
        complaint: a phrase for the case that their scores do not tie.
    """

    pair: SamplePair
    wanted: tuple[int, ...]
    others: Sequence[tuple[int, ...]]
    complaint: str


@dataclass(frozen=True, slots=True)
class ComparedSearch:
    """The comparison of two n-best lists.

    Attributes:
        complaint: empty if there is none.
        lacking: hypotheses that are wrong to lack unless they tie with others.
        equal: whether the lists are equal.
    """

    complaint: str = ""
    lacking: Sequence[Lacking] = ()
    equal: bool = False


def compare_search(
    exported: ExportedModel, pair: SamplePair, hypotheses: Sequence[ReferenceHypothesis], allowed: float, longest: int
) -> ComparedSearch:
    """Compare an export's n-best list of a source with the checkpoint's.

    Args:
        allowed: largest difference of scores that counts as rounding. Hypotheses whose scores differ by less tie, and
            either may be in a list.
        longest: most target tokens of the search.
    """
    wanted = {entry.token_ids: entry for entry in hypotheses}
    most = min(exported.manifest.generation.max_length, longest)
    found = {entry.token_ids: entry for entry in decode_ids(exported, pair.source_ids, most).hypotheses}
    if len(found) != len(wanted):
        return ComparedSearch(
            f"beam search finds {len(found)} hypotheses for {pair.name} where {len(wanted)} are right"
        )
    for token_ids in wanted.keys() & found.keys():
        gap = abs(found[token_ids].normalized - wanted[token_ids].score)
        if not gap <= allowed:
            text = found[token_ids].text
            return ComparedSearch(
                f"beam search scores {text!r} otherwise for {pair.name} (by {gap:.2g}, allowed: {allowed:.2g})"
            )
    others = [token_ids for token_ids in found if token_ids not in wanted]
    lacking = [
        Lacking(pair, token_ids, others, _describe_difference(exported, pair, token_ids, found[others[0]].text))
        for token_ids in wanted
        if token_ids not in found
    ]
    return ComparedSearch(lacking=lacking, equal=not others)


def ties(checkpoint: LoadedCheckpoint, lacking: Lacking, allowed: float) -> bool:
    """Whether the checkpoint's own scores let another hypothesis stand for the one that is lacking."""
    return any(_tie(checkpoint, lacking.pair, lacking.wanted, other, allowed) for other in lacking.others)


def decode_ids(exported: ExportedModel, source_ids: Sequence[int], longest: int) -> Trace:
    """Search for a source given as ids, at the model's defaults, with at most ``longest`` target tokens."""
    request = complete_request(Request(exported.manifest.model_id, "", top_k=1, max_length=longest), exported)
    tokens = tuple(exported.source_tokenizer.tokens[token_id] for token_id in source_ids)
    nowhere = ((0, 0),) * len(tokens)
    source = Source("", "", tokens, nowhere, (0,) * len(tokens), tuple(source_ids))
    recording = record_source(exported, source)
    return search(exported, request, search_settings(request, exported), source, recording)


def _tie(
    checkpoint: LoadedCheckpoint, pair: SamplePair, one: Sequence[int], other: Sequence[int], allowed: float
) -> bool:
    """Whether the checkpoint's own scores let either hypothesis stand for the other.

    They do where the scores of both are equal but for ``allowed``, or those of their prefixes at one step behind the
    fork: of two prefixes that tie, a search may keep either.
    """
    totals = [_score_prefixes(checkpoint, pair, token_ids) for token_ids in (one, other)]
    normalized = [total[-1] / len(total) ** checkpoint.generation.length_penalty for total in totals]
    shorter = min(len(one), len(other))
    fork = next((step for step in range(shorter) if one[step] != other[step]), shorter)
    gaps = np.abs(totals[0][fork:shorter] - totals[1][fork:shorter])
    return bool(abs(normalized[0] - normalized[1]) <= allowed or gaps.min(initial=np.inf) <= allowed)


def _score_prefixes(checkpoint: LoadedCheckpoint, pair: SamplePair, token_ids: Sequence[int]) -> NDArray[np.float64]:
    """The checkpoint's score of each prefix of a hypothesis, which may have been cut off before its end."""
    ended = token_ids if token_ids[-1] == checkpoint.end_id else (*token_ids, checkpoint.end_id)
    forced = checkpoint.reference.force(pair.source_ids, ended)
    return sum_scores(checkpoint, ended, forced.log_probs, forced.log_normalizers)[: len(token_ids)]


def _describe_difference(exported: ExportedModel, pair: SamplePair, wanted: Sequence[int], found: str) -> str:
    text = exported.target_tokenizer.decode(wanted)
    return f"beam search gives {found!r} for {pair.name} where {text!r} is right, and their scores do not tie"
