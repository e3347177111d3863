"""What-ifs as JSON documents, for the command line and HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from exported_models.contract.documents import RequestDocument, Rounded
from exported_models.contract.trace import Hypothesis
from exported_models.contract.wishes import WishDocument
from exported_models.what_ifs.attention import AttentionSearch, rank_attention
from exported_models.what_ifs.sweep import Event, Sweep
from exported_models.what_ifs.trials import Trial, measure_steps, rank_trials

MOST_TRIALS: Final = 20
"""Number of attention trials that a document lists."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)

    def to_json(self) -> str:
        """One line of JSON."""
        return self.model_dump_json()


class TrialDocument(_Document):
    """One what-if and its effect; see `exported_models.what_ifs.trials.Trial`."""

    wish: WishDocument
    words: str = Field(description="The change as a short phrase.")
    text: str | None = Field(description="The translation after the change; null where the change was refused.")
    changed_words: int = Field(description="Words that differ from the translation before.")
    changed_share: Rounded = Field(description="They over all aligned words, from 0 to 1.")
    normalized: Rounded | None = Field(description="Normalized score after the change.")
    score_change: Rounded
    reason: str = Field(default="", description="Why the change was refused.")

    @classmethod
    def of(cls, trial: Trial) -> TrialDocument:
        """The document of one what-if."""
        after = trial.translation
        return cls(
            wish=trial.wish,
            words=trial.words,
            text=None if after is None else after.text,
            changed_words=trial.changed_words,
            changed_share=trial.changed_share,
            normalized=None if after is None else after.normalized,
            score_change=trial.score_change,
            reason=trial.reason,
        )


class WhatIfsDocument(_Document):
    """What-ifs of one translation, those that change most first."""

    request: RequestDocument = Field(description="The request whose translation was changed.")
    text: str = Field(description="That translation.")
    normalized: Rounded = Field(description="Its normalized score.")
    total: int = Field(description="Number of what-ifs that there are of the kinds asked for.")
    trials: list[TrialDocument]
    steps: list[Rounded | None] = Field(
        description="For each target token, the mean share of the output that another word there changes; null where "
        "none was tried."
    )

    @classmethod
    def of(
        cls, request: RequestDocument, hypothesis: Hypothesis, trials: Sequence[Trial], total: int
    ) -> WhatIfsDocument:
        """The document of tried what-ifs, ranked."""
        return cls(
            request=request,
            text=hypothesis.text,
            normalized=hypothesis.normalized,
            total=total,
            trials=[TrialDocument.of(trial) for trial in rank_trials(trials)],
            steps=measure_steps(trials, len(hypothesis.tokens)),
        )


class TriedAttentionDocument(_Document):
    """One attention that was tried; see `TriedAttention`."""

    wish: WishDocument = Field(description="The change, to be made by `what-if`.")
    position: int = Field(description="Source position with all the weight, counted from 0.")
    source: str = Field(description="The source token there.")
    probability: Rounded = Field(description="Of the wanted token, from 0 to 1.")
    rank: int = Field(description="Of the wanted token; 0 is the most probable one.")
    succeeds: bool
    behind: Rounded = Field(description="What its log-probability lacks to the most probable token's.")
    change: Rounded = Field(description="Total variation of the attention, mean of all layers and heads.")


class AttentionSearchDocument(_Document):
    """Attention that was tried for a wanted token, the answer first; see `AttentionSearch`."""

    step: int
    token: str
    probability: Rounded = Field(description="Of the wanted token with the attention as it is.")
    rank: int = Field(description="Its rank there.")
    found: bool = Field(description="Whether a trial makes it the most probable token.")
    total: int = Field(description="Number of trials that there are.")
    tried: int = Field(description="Number of trials that were run.")
    trials: list[TriedAttentionDocument] = Field(
        description="The answer, and the trials next to it: the smallest change that succeeds first."
    )

    @classmethod
    def of(cls, found: AttentionSearch, source: Sequence[str], most: int = MOST_TRIALS) -> AttentionSearchDocument:
        """The document of a search; ``source`` are the source tokens, ``most`` the number of trials that it lists."""
        best = rank_attention(found.tried)[:most]
        names = ("wish", "position", "probability", "rank", "succeeds", "behind", "change")
        return cls(
            step=found.step,
            token=found.token,
            probability=exp(found.before.log_prob),
            rank=found.before.rank,
            found=bool(best) and best[0].succeeds,
            total=found.total,
            tried=len(found.tried),
            trials=[
                TriedAttentionDocument.model_validate(
                    {**{name: getattr(trial, name) for name in names}, "source": source[trial.position]}
                )
                for trial in best
            ],
        )


class SweptHypothesisDocument(_Document):
    """A hypothesis that some setting found; see `SweptHypothesis`."""

    text: str
    tokens: list[str]
    score: Rounded = Field(description="Summed log-probability, weighed where there is a repetition penalty.")
    wins: int = Field(description="Number of settings whose best hypothesis this is.")
    ranks: list[list[int | None]] = Field(description="[beam size][length penalty] rank in the n-best list; or null.")
    beside: bool = Field(default=False, description="Whether some setting has it as a kept path alone.")


class EventDocument(_Document):
    """A change from one beam size to the next."""

    beam_size: int = Field(description="The larger beam size.")
    length_penalty: float
    hypothesis: int = Field(description="Place in `hypotheses`.")
    event: Event


class RefusedBeamDocument(_Document):
    """A beam size that cannot be searched."""

    beam_size: int
    reason: str


class SweepDocument(_Document):
    """A request under all combinations of beam size and length penalty; see `Sweep`."""

    request: RequestDocument
    beam_sizes: list[int]
    length_penalties: list[float]
    winners: list[list[int]] = Field(description="[beam size][length penalty] place of the best in `hypotheses`.")
    normalized: list[list[Rounded]] = Field(description="[beam size][length penalty] normalized score of the best.")
    hypotheses: list[SweptHypothesisDocument] = Field(
        description="Those that win most settings first, then the ends of kept paths."
    )
    events: list[EventDocument]
    refused: list[RefusedBeamDocument] = Field(
        default=[], description="Beam sizes that cannot be searched; `beam_sizes` has the others."
    )

    @classmethod
    def of(cls, found: Sweep) -> SweepDocument:
        """The document of a sweep."""
        events = [
            EventDocument(beam_size=found.beam_sizes[row], length_penalty=length_penalty, hypothesis=place, event=event)
            for penalty, length_penalty in enumerate(found.length_penalties)
            for row, place, event in found.list_events(penalty)
        ]
        read = ("beam_sizes", "length_penalties", "winners", "normalized", "hypotheses")
        return cls.model_validate(
            {
                "request": RequestDocument.of(found.request),
                "events": events,
                "refused": [{"beam_size": beam_size, "reason": reason} for beam_size, reason in found.refused],
                **{name: getattr(found, name) for name in read},
            }
        )
