"""The question that a pane sends: the wish, the state of the pane, and the values of its controls.

Everything comes from a browser, so it is read by pydantic; a wish that is none of these is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dashboard.state.page_state import Side, StateDocument
from dashboard.table_columns import COLUMNS, AnyTable
from exported_models.contract import wishes
from exported_models.contract.numbers import WholeNumber

MAX_ROOM: Final = 20_000
"""Pixels; more than screens have."""


PrintedView = Literal["translation", "matrix", "tree", "map", "neighbors"]
"""A view that can be printed."""


class _FromBrowser(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Open(_FromBrowser):
    """Show the request of a link; without a fragment, an example of the first model."""

    verb: Literal["open"]
    fragment: str = ""


class Translate(_FromBrowser):
    """Decode what the header says.

    Attributes:
        typed: false where only an option changed: the shown source then stays.
        cut: whether a source that is too long for the model is cut.
    """

    verb: Literal["translate"]
    model: str
    source: str | None
    beam_size: int | None
    length_penalty: float | None
    typed: bool
    cut: bool = False


class Hypothesis(_FromBrowser):
    """Show another entry of the n-best list, counted from 0."""

    verb: Literal["hypothesis"]
    value: int = Field(ge=0)


class Neighbor(_FromBrowser):
    """Translate the source of a neighbor; ``value`` is ``sentence:position``."""

    verb: Literal["neighbor"]
    value: str = Field(pattern=r"^[0-9]{1,9}:[0-9]{1,9}$")


class Show(_FromBrowser):
    """Show an answer of the history, which the browser keeps.

    Attributes:
        state: request and hypothesis. A pin in it replaces the one of the pane, which otherwise stays.
        model_hash: hash of the model that answered it, or the beginning of the hash; empty where that is not known.
    """

    verb: Literal["show"]
    state: StateDocument
    model_hash: str = Field("", max_length=64)


class Pin(_FromBrowser):
    """Keep an answer to compare others with: one of the history, or the shown one.

    To pin the answer that is pinned already lets go of it.
    """

    verb: Literal["pin"]
    state: StateDocument | None = None


class Unpin(_FromBrowser):
    """Compare no more."""

    verb: Literal["unpin"]


class Swap(_FromBrowser):
    """Show the pinned answer, and pin the shown one."""

    verb: Literal["swap"]


class Export(_FromBrowser):
    """Write what the pane shows to a file: a view for print, a table, or the whole trace.

    The format of a view is SVG or PNG, of a table CSV or Parquet, of the trace JSON. Neighbors are a view and a table.
    """

    verb: Literal["export"]
    value: PrintedView | AnyTable | Literal["trace"]
    format: Literal["svg", "png", "csv", "parquet", "json"]

    @model_validator(mode="after")
    def _check_format(self) -> Export:
        views = ("svg", "png") if self.value in get_args(PrintedView) else ()
        tables = ("csv", "parquet") if self.value in COLUMNS else ()
        formats = (*views, *tables) or ("json",)
        if self.format not in formats:
            raise ValueError(f"{self.value} is written as {' or '.join(formats)}, not as {self.format}")
        return self


PageWish = Open | Translate | Hypothesis | Neighbor | Show | Pin | Unpin | Swap | Export
"""Wishes of the page; all others change the shown request and are those of `exported_models.contract.wishes`."""

Wish = Annotated[wishes.Wish | PageWish, Field(discriminator="verb")]


class Options(_FromBrowser):
    """The values of a pane's controls.

    Attributes:
        mode: what a click on a word changes.
        mass: least share of a word's attention that the drawn links carry, in percent.
        layer, head: counted from 0; ``best`` for the clearest, ``mean`` for the mean of all.
        extent: what the tree shows.
        comparison: how two answers are drawn beside each other.
        reference: a translation to judge both answers of a comparison by; empty for none.
        space: of states; empty for the one that the model suggests.
        map, method: extent of the map and how it is made.
        offset: which token of a neighbor is highlighted, from its own.
        room: pixels for the columns of the translation.
    """

    mode: Literal["words", "attention"] = "words"
    drawing: Literal["links", "matrix", "text"] = "links"
    mass: float = Field(75, ge=0, le=100)
    layer: int | Literal["best", "mean"] = "best"
    head: int | Literal["best", "mean"] = "best"
    extent: Literal["kept", "all", "text"] = "kept"
    comparison: Literal["links", "moved", "matrix", "text"] = "links"
    reference: str | None = None
    space: str = ""
    map: Literal["local", "corpus"] = "local"
    method: str = "mds"
    offset: int = Field(0, ge=-1, le=1)
    room: float = Field(800, gt=0, le=MAX_ROOM)
    theme: Literal["light", "dark"] = "light"


class SelectedWord(_FromBrowser):
    """The word clicked last."""

    side: Side
    index: WholeNumber


class Beginning(_FromBrowser):
    """The beginning of a word that is typed for a side of a model; after other words, the last one counts."""

    model_id: str
    side: Side
    text: str = Field(max_length=200)


class Question(_FromBrowser):
    """The question of one click.

    Attributes:
        wish: None where only an option changed.
        state: the shown request and hypothesis as `PageState.to_json` wrote them; None before the first translation.
        follows: whether the selection is new, so that the space of states goes with it.
        held: digests of the parts that the browser has, by role.
        beside: whether the attention that is asked for is that of the pinned answer.
    """

    wish: Wish | None = None
    state: StateDocument | None = None
    selection: SelectedWord | None = None
    follows: bool = False
    options: Options = Options()
    held: Mapping[str, str] = Field(default_factory=dict)
    beside: bool = False
