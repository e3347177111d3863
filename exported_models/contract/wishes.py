"""Wishes: the changes that can be asked of a translation, each one frozen value with one JSON form.

A wish names the change; `exported_models.edits` makes the new request. The page sends wishes as they are, the HTTP API
takes one beside a request, and the command line builds them from its options.

Verbs that point into a trace (a rank in a top k, a node of the tree, a word of the source) are applied to that trace.
The others (`PlainWish`) can be applied to a request alone.

To add a verb: a dataclass here, its name in `Wish` (and in `PlainWish` if it needs no trace), one case in
`exported_models.edits` and one in `exported_models.wording`. mypy finds a case that is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter

from exported_models.contract.numbers import Number, WholeNumber
from exported_models.contract.request import (
    MAX_BEAM_SIZE,
    MAX_LENGTH_LIMIT,
    MAX_LENGTH_PENALTY,
    MAX_REPETITION_PENALTY,
    MAX_TOP_K,
    EarlyStopping,
    HeadAblation,
)

Index = Annotated[WholeNumber, Field(ge=0)]
"""A place counted from 0."""


def _check_head(value: object) -> object:
    if isinstance(value, dict) and any(type(value.get(name, 0)) not in (int, float) for name in ("layer", "head")):
        raise ValueError("The layer and the head are whole numbers, counted from 0.")
    return value


Head = Annotated[HeadAblation, BeforeValidator(_check_head)]
"""A head of attention."""

Default = Literal["default"]
"""Stands for the model's own value of a search setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verb:
    """Base of the verbs: a document with an unknown key is refused."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Choose(_Verb):
    """Decode on with a token of the top k in place of the hypothesis' own; ``rank`` 0 is the most probable token."""

    step: Index
    rank: Index
    verb: Literal["choose"] = field(default="choose", kw_only=True)


@dataclass(frozen=True, slots=True)
class Replace(_Verb):
    """Decode on from the hypothesis cut before ``step``, with these tokens there instead."""

    step: Index
    tokens: tuple[str, ...]
    verb: Literal["replace"] = field(default="replace", kw_only=True)


@dataclass(frozen=True, slots=True)
class Force(_Verb):
    """Begin every hypothesis with these tokens; without tokens nothing is forced any more."""

    tokens: tuple[str, ...]
    verb: Literal["force"] = field(default="force", kw_only=True)


@dataclass(frozen=True, slots=True)
class ForceNode(_Verb):
    """Force the path from the start to a node of the beam tree."""

    node: Index
    verb: Literal["force_node"] = field(default="force_node", kw_only=True)


@dataclass(frozen=True, slots=True)
class ForceCandidate(_Verb):
    """Force the path to a candidate of a step, for instance one that was pruned; ``rank`` 0 is the step's best."""

    step: Index
    rank: Index
    verb: Literal["force_candidate"] = field(default="force_candidate", kw_only=True)


@dataclass(frozen=True, slots=True)
class Keep(_Verb):
    """Let a path go on beside the beam, as if it had not been pruned; the other hypotheses stay as they are.

    Attributes:
        tokens: the path from the first target token; the forced prefix is its beginning.
    """

    tokens: tuple[str, ...]
    verb: Literal["keep"] = field(default="keep", kw_only=True)


@dataclass(frozen=True, slots=True)
class KeepChoice(_Verb):
    """Keep the hypothesis up to a step, with a token of the top k there, beside the beam."""

    step: Index
    rank: Index
    verb: Literal["keep_choice"] = field(default="keep_choice", kw_only=True)


@dataclass(frozen=True, slots=True)
class KeepNode(_Verb):
    """Keep the path from the start to a node of the beam tree beside the beam."""

    node: Index
    verb: Literal["keep_node"] = field(default="keep_node", kw_only=True)


@dataclass(frozen=True, slots=True)
class KeepCandidate(_Verb):
    """Keep the path to a candidate of a step beside the beam; ``rank`` 0 is the step's best."""

    step: Index
    rank: Index
    verb: Literal["keep_candidate"] = field(default="keep_candidate", kw_only=True)


@dataclass(frozen=True, slots=True)
class Drop(_Verb):
    """Keep a path no longer beside the beam; without tokens no path."""

    tokens: tuple[str, ...] = ()
    verb: Literal["drop"] = field(default="drop", kw_only=True)


@dataclass(frozen=True, slots=True)
class Attend(_Verb):
    """Override the cross-attention of one target step; the steps before it are pinned to the hypothesis.

    Attributes:
        weights: ``(source position, weight)`` pairs; the engine normalizes them, and positions not named get zero.
        layer, head: None for all.
    """

    step: Index
    weights: tuple[tuple[WholeNumber, Number], ...]
    layer: WholeNumber | None = None
    head: WholeNumber | None = None
    verb: Literal["attend"] = field(default="attend", kw_only=True)


@dataclass(frozen=True, slots=True)
class OwnAttention(_Verb):
    """Drop the attention overrides of one step, or of every step; the forced prefix stays."""

    step: Index | None = None
    verb: Literal["own_attention"] = field(default="own_attention", kw_only=True)


@dataclass(frozen=True, slots=True)
class Ablate(_Verb):
    """Let these heads contribute nothing, besides those that are ablated already."""

    heads: tuple[Head, ...]
    verb: Literal["ablate"] = field(default="ablate", kw_only=True)


@dataclass(frozen=True, slots=True)
class Restore(_Verb):
    """Let these heads contribute again."""

    heads: tuple[Head, ...]
    verb: Literal["restore"] = field(default="restore", kw_only=True)


@dataclass(frozen=True, slots=True)
class Substitute(_Verb):
    """Write ``text`` in place of one source word; ``word`` counts as `Source.words` does."""

    word: Index
    text: str
    verb: Literal["substitute"] = field(default="substitute", kw_only=True)


@dataclass(frozen=True, slots=True)
class EditSource(_Verb):
    """Translate another source text.

    Prefix, kept paths, overrides and phrases forbidden at a step, which belong to the old text, are dropped.
    """

    text: str
    verb: Literal["edit_source"] = field(default="edit_source", kw_only=True)


@dataclass(frozen=True, slots=True)
class SetLanguages(_Verb):
    """Read the source as another language, or write another; None leaves a side, ``"default"`` takes the model's own.

    Prefix, kept paths, overrides and phrases forbidden at a step, which belong to the old languages, are dropped.
    """

    source: Annotated[str, Field(max_length=40)] | None = None
    target: Annotated[str, Field(max_length=40)] | None = None
    verb: Literal["set_languages"] = field(default="set_languages", kw_only=True)


@dataclass(frozen=True, slots=True)
class SetSearch(_Verb):
    """Search with other settings; None leaves a setting as it is, ``"default"`` takes the model's own."""

    beam_size: Annotated[WholeNumber, Field(ge=1, le=MAX_BEAM_SIZE)] | Default | None = None
    length_penalty: Annotated[Number, Field(ge=-MAX_LENGTH_PENALTY, le=MAX_LENGTH_PENALTY)] | Default | None = None
    max_length: Annotated[WholeNumber, Field(ge=1, le=MAX_LENGTH_LIMIT)] | Default | None = None
    early_stopping: EarlyStopping | Default | None = None
    top_k: Annotated[WholeNumber, Field(ge=1, le=MAX_TOP_K)] | None = None
    repetition_penalty: Annotated[Number, Field(ge=1, le=MAX_REPETITION_PENALTY)] | Default | None = None
    min_length: Annotated[WholeNumber, Field(ge=0, le=MAX_LENGTH_LIMIT)] | Default | None = None
    ngram_size: Annotated[WholeNumber, Field(ge=0, le=MAX_LENGTH_LIMIT)] | Default | None = None
    source_ngram_size: Annotated[WholeNumber, Field(ge=0, le=MAX_LENGTH_LIMIT)] | Default | None = None
    verb: Literal["set_search"] = field(default="set_search", kw_only=True)

    @classmethod
    def of_model(cls, *names: str) -> SetSearch:
        """The wish for the model's own value of these settings."""
        own: dict[str, Any] = dict.fromkeys(names, "default")
        return cls(**own)

    @property
    def settings(self) -> dict[str, float | str | None]:
        """Every setting by its name, which is that of the request's field."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "verb"}


@dataclass(frozen=True, slots=True)
class Forbid(_Verb):
    """Search without a phrase, at one step or everywhere.

    Attributes:
        tokens: target tokens of the phrase.
        text: the phrase as text where there are no ``tokens``.
        step: the target step at which it may not begin; None for every step.
    """

    tokens: tuple[str, ...] = ()
    text: str = ""
    step: Index | None = None
    verb: Literal["forbid"] = field(default="forbid", kw_only=True)


@dataclass(frozen=True, slots=True)
class Allow(_Verb):
    """Allow a phrase again, wherever it was forbidden; without tokens every phrase."""

    tokens: tuple[str, ...] = ()
    verb: Literal["allow"] = field(default="allow", kw_only=True)


@dataclass(frozen=True, slots=True)
class EditTarget(_Verb):
    """Score ``text`` as the whole target; with ``ends`` False decode on from it. Without a text nothing is forced."""

    text: str
    ends: bool = True
    verb: Literal["edit_target"] = field(default="edit_target", kw_only=True)


@dataclass(frozen=True, slots=True)
class SubstituteTarget(_Verb):
    """Write ``text`` in place of the target word that token ``step`` belongs to, and decode on after it."""

    step: Index
    text: str
    verb: Literal["substitute_target"] = field(default="substitute_target", kw_only=True)


@dataclass(frozen=True, slots=True)
class AttendEvenly(_Verb):
    """Override the cross-attention of one step by equal weights on all source positions; None for all layers, heads."""

    step: Index
    layer: WholeNumber | None = None
    head: WholeNumber | None = None
    verb: Literal["attend_evenly"] = field(default="attend_evenly", kw_only=True)


@dataclass(frozen=True, slots=True)
class CopyAttention(_Verb):
    """Override the cross-attention of one step by that of a step, layer and head of the hypothesis in view.

    Attributes:
        from_step: the step whose weights are taken; None for ``step`` itself.
        from_layer, from_head: None for the mean of all.
        layer, head: where the weights are put; None for all.
        beside: take the weights of the translation beside this one, whose source must have as many tokens.
    """

    step: Index
    from_step: Index | None = None
    from_layer: WholeNumber | None = None
    from_head: WholeNumber | None = None
    layer: WholeNumber | None = None
    head: WholeNumber | None = None
    beside: bool = False
    verb: Literal["copy_attention"] = field(default="copy_attention", kw_only=True)


@dataclass(frozen=True, slots=True)
class AttendSteps(_Verb):
    """Several overrides of cross-attention at once; the steps before the first are pinned to the hypothesis."""

    overrides: tuple[Attend, ...]
    verb: Literal["attend_steps"] = field(default="attend_steps", kw_only=True)


@dataclass(frozen=True, slots=True)
class StartOver(_Verb):
    """Translate a source text with nothing forced, kept, overridden or ablated.

    Attributes:
        model_id: None for the model of the request before.
        search: settings to change; the others stay with the same model, and are the new model's own with another.
        cut: whether a source of more tokens than the model reads is cut, and not refused.
    """

    source: str
    model_id: str | None = None
    search: SetSearch = SetSearch()
    cut: bool = False
    verb: Literal["start_over"] = field(default="start_over", kw_only=True)


PlainWish = (
    Force
    | Keep
    | Drop
    | Attend
    | AttendSteps
    | OwnAttention
    | Ablate
    | Restore
    | Forbid
    | Allow
    | EditSource
    | SetLanguages
    | SetSearch
    | StartOver
)
"""Wishes that can be applied to a request alone."""

Wish = (
    PlainWish
    | Choose
    | Replace
    | ForceNode
    | ForceCandidate
    | KeepChoice
    | KeepNode
    | KeepCandidate
    | AttendEvenly
    | CopyAttention
    | EditTarget
    | Substitute
    | SubstituteTarget
)
"""Every wish."""

WishDocument = Annotated[Wish, Field(discriminator="verb")]
"""The JSON form of a wish: its fields, and ``verb`` to tell which it is."""


def write_wish(wish: Wish) -> dict[str, Any]:
    """A wish as a JSON document; fields that have their default value are left out."""
    document: dict[str, Any] = _open_adapter().dump_python(wish, mode="json", exclude_defaults=True)
    return {"verb": wish.verb, **document}


def read_wish(document: object) -> Wish:
    """Read what `write_wish` wrote.

    Raises:
        ValueError: it is no wish (pydantic's ValidationError is one).
    """
    return _open_adapter().validate_python(document)


@cache
def _open_adapter() -> TypeAdapter[Wish]:
    # Made when it is first used: it takes longer to make than all the rest of this module.
    return TypeAdapter(WishDocument)
