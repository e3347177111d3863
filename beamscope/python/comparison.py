"""Two translations side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beamscope.comparison_text import describe_comparison
from beamscope.python.translation import Translation, to_page_state
from exported_models.comparison import comparison as engine_comparison
from exported_models.comparison.documents import ComparisonDocument
from exported_models.comparison.reference import compare_with_reference
from exported_models.comparison.sides import Side
from exported_models.contract.errors import RequestError

if TYPE_CHECKING:
    from beamscope.python.figures import ComparedView, Figure


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison:
    """Two translations side by side. Made by `Translation.compare`.

    Attributes:
        before, after: both translations.
        found: everything that differs (`exported_models.comparison.comparison.Comparison`): aligned columns, the split,
            scores, attention that moved, both beam trees, the reference.
    """

    before: Translation
    after: Translation
    found: engine_comparison.Comparison

    def __repr__(self) -> str:
        return f"<Comparison of {self.before.text!r} with {self.after.text!r}: {self.changed_words} words changed>"

    def __str__(self) -> str:
        return describe_comparison(self.found)

    @property
    def changed_words(self) -> int:
        """Number of words that were changed, added or dropped."""
        return self.found.changed_words

    @property
    def changed_share(self) -> float:
        """`changed_words` over the number of aligned words, from 0 to 1."""
        return self.found.changed_share

    @property
    def score_change(self) -> float:
        """Normalized score after minus before."""
        return self.found.score_change

    def plot(self, view: ComparedView = "comparison", **options: Any) -> Figure:
        """A view of both as a figure; see `Translation.plot`.

        Args:
            view: ``comparison`` (words, links, top k of both), ``matrix`` (attention after minus before), ``tree``
                (both beam trees) or ``map`` (both paths of states).

        Raises:
            BeamscopeError: the models lack what the view shows, or an option is unknown; the message says which.
        """
        from beamscope.python.figures import plot_comparison

        state = to_page_state(self.after).pin(to_page_state(self.before))
        return plot_comparison(self.after.services, state, view, options)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as a JSON value: what ``beamscope compare --json`` prints."""
        return ComparisonDocument.of(self.found).model_dump(mode="json")

    def _repr_html_(self) -> str:
        return self.plot()._repr_html_()


def compare(before: Translation, after: Translation, reference: str | None) -> Comparison:
    """Lay two translations side by side; see `Translation.compare`."""
    folders = [one.services.workspace.root for one in (before, after)]
    if folders[0] != folders[1]:
        raise RequestError(f"{folders[0]} and {folders[1]} are two workspaces; compare within one.", field="other")
    old, new = _side(before), _side(after)
    judged = None if reference is None else compare_with_reference(before.services.engine, old, new, reference)
    return Comparison(before, after, engine_comparison.compare(old, new, judged))


def _side(translation: Translation) -> Side:
    return Side.of(translation.services.engine.model(translation.model), translation.trace, translation.rank)
