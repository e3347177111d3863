"""Two answers beside each other, as one value that the views of a comparison draw."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.drawing.comparison_picture import ComparisonPicture, lay_out_comparison
from dashboard.drawing.links import pick_attention
from dashboard.drawing.words import PairText
from dashboard.services import Services
from dashboard.state.page_state import PageState
from dashboard.views.shown import Shown
from exported_models.comparison.comparison import Comparison, compare
from exported_models.comparison.reference import compare_with_reference
from exported_models.comparison.sides import Side
from exported_models.contract.arrays import Floats


@dataclass(frozen=True, slots=True)
class Compared:
    """The pinned answer (before) beside the shown one (after).

    Attributes:
        shown: the answer that the pane shows.
        texts: the writers of the models before and after.
    """

    shown: Shown
    found: Comparison
    picture: ComparisonPicture
    texts: tuple[PairText, PairText]

    @property
    def view(self) -> tuple[int | None, int | None]:
        """Layer and head of attention that are drawn; None for the mean of all, which models that differ have."""
        both = self.found.attention
        if both is None or both.before.shape[1:3] == (1, 1):
            return None, None
        return self.shown.layer, self.shown.head

    @property
    def attention(self) -> tuple[Floats, Floats] | None:
        """[target, source] attention of both sides as drawn, NaN in rows that a side lacks; None without attention."""
        both = self.found.attention
        if both is None:
            return None
        layer, head = self.view
        return pick_attention(both.before, layer, head), pick_attention(both.after, layer, head)


def look_at_both(services: Services, shown: Shown, pinned: PageState) -> Compared:
    """Compare the shown answer with the pinned one.

    Raises:
        BeamscopeError: the pinned request cannot be answered, or the reference cannot be used.
    """
    before, after = _side(services, pinned), _side(services, shown.state)
    reference = (shown.options.reference or "").strip()
    judged = compare_with_reference(services.engine, before, after, reference) if reference else None
    found = compare(before, after, judged)
    texts = services.token_text(pinned.request.model_id), services.token_text(shown.state.request.model_id)
    return Compared(shown, found, lay_out_comparison(found, texts, shown.options.room), texts)


def _side(services: Services, state: PageState) -> Side:
    trace, hypothesis = services.chosen(state)
    return Side.of(services.engine.model(state.request.model_id), trace, trace.hypotheses.index(hypothesis))
