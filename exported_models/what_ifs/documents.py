"""What-ifs as JSON documents, for the command line and HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from exported_models.contract.documents import RequestDocument, Rounded
from exported_models.contract.trace import Hypothesis
from exported_models.contract.wishes import WishDocument
from exported_models.what_ifs.trials import Trial, measure_steps, rank_trials


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
