"""The options of a request, shared by the commands that decode."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import click

from exported_models.contract.errors import BeamscopeError, RequestError
from exported_models.contract.request import (
    MAX_BEAM_SIZE,
    MAX_LENGTH_LIMIT,
    MAX_LENGTH_PENALTY,
    MAX_REPETITION_PENALTY,
    MAX_TOP_K,
    AttentionOverride,
    EarlyStopping,
    HeadAblation,
    Request,
)

if TYPE_CHECKING:
    from exported_models.contract.wishes import PlainWish
    from exported_models.engine import Engine

_DEFAULT = "the model's own"


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The options for decoding; None stands for the model's default."""

    prefix: str
    keep: tuple[str, ...]
    attend: tuple[AttentionOverride, ...]
    beam: int | None
    length_penalty: float | None
    max_length: int | None
    top_k: int
    early_stopping: EarlyStopping | None
    repetition_penalty: float | None
    min_length: int | None
    ngram_size: int | None
    source_ngram_size: int | None
    ablate: tuple[HeadAblation, ...]
    forbid: tuple[str, ...]
    forbid_at: tuple[tuple[int, str], ...]
    source_language: str | None
    target_language: str | None
    cut: bool

    def request(self, engine: Engine, model_id: str, text: str) -> Request:
        """The request for one source text.

        Raises:
            WorkspaceError, ArtefactError: the model is not there or damaged.
            RequestError: the prefix, a kept path or a forbidden phrase is not made of tokens that the model knows.
        """
        from exported_models.contract.wishes import SetLanguages, StartOver
        from exported_models.edits import revise, start

        first = replace(start(StartOver(text, model_id)), cut_source=self.cut)
        spoken = revise(first, SetLanguages(self.source_language, self.target_language))
        return functools.reduce(revise, self._wishes(engine, spoken), spoken)

    def check(self, engine: Engine, model_id: str) -> None:
        """Report a mistake once that every line of a file would repeat.

        Raises:
            WorkspaceError, ArtefactError, RequestError: as `request`.
        """
        engine.model(model_id)
        self.request(engine, model_id, "")

    def _wishes(self, engine: Engine, spoken: Request) -> Iterator[PlainWish]:
        """The options as wishes; languages are set already, as the prefix begins with the target's."""
        from exported_models.contract.wishes import Ablate, Attend, Forbid, Force, Keep, SetSearch

        yield SetSearch(
            self.beam,
            self.length_penalty,
            self.max_length,
            self.early_stopping,
            self.top_k,
            self.repetition_penalty,
            self.min_length,
            self.ngram_size,
            self.source_ngram_size,
        )
        yield Force(_read_tokens(engine, spoken, self.prefix, "prefix"))
        for path in self.keep:
            yield Keep(_read_tokens(engine, spoken, path, "kept path"))
        for step, phrase in (*((None, phrase) for phrase in self.forbid), *self.forbid_at):
            yield Forbid(_read_tokens(engine, spoken, phrase, "forbidden phrase"), step=step)
        yield Ablate(self.ablate)
        for override in self.attend:
            yield Attend(override.step, override.weights, override.layer, override.head)


def _read_tokens(engine: Engine, spoken: Request, text: str, name: str) -> tuple[str, ...]:
    """The target tokens of the beginning of a translation."""
    from exported_models.completion import tokenize_target
    from exported_models.runtime.languages import speak

    if not text:
        return ()
    try:
        return tokenize_target(text, speak(engine.model(spoken.model_id), spoken), end=False).tokens
    except RequestError as error:
        raise RequestError(f"In the {name}: {error}", field=error.field) from error


def request_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a request to a command, which gets them as one `RequestOptions` named ``options``."""

    @functools.wraps(function)
    def collect(**parameters: Any) -> None:
        chosen = {name: parameters.pop(name) for name in RequestOptions.__dataclass_fields__}
        function(options=RequestOptions(**chosen), **parameters)

    decorated: Callable[..., None] = collect
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _to_overrides(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[AttentionOverride, ...]:
    from exported_models.search.overrides import merge_overrides, parse_attention

    try:
        return merge_overrides(parse_attention(value) for value in values)
    except BeamscopeError as error:
        raise click.BadParameter(str(error)) from error


def _to_ablations(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[HeadAblation, ...]:
    from exported_models.search.ablation import parse_ablation

    try:
        return tuple(parse_ablation(value) for value in values)
    except BeamscopeError as error:
        raise click.BadParameter(str(error)) from error


def _refuse_nan(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    # NaN passes a range: it is neither below nor above.
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is not a number.")
    return value


_OPTIONS = (
    click.option(
        "--from",
        "source_language",
        metavar="CODE",
        show_default=_DEFAULT,
        help="Language of the source, for a model of several.",
    ),
    click.option(
        "--to",
        "target_language",
        metavar="CODE",
        show_default=_DEFAULT,
        help="Language to write, for a model of several.",
    ),
    click.option("--cut", is_flag=True, help="Cut a source of more tokens than the model reads, and say so."),
    click.option("--prefix", default="", metavar="TEXT", help="Text that the translation must begin with."),
    click.option(
        "--keep",
        multiple=True,
        metavar="TEXT",
        help="Beginning of a translation that goes on beside the beam, as if it had not been pruned; "
        "repeat it to keep several.",
    ),
    click.option(
        "--forbid", multiple=True, metavar="TEXT", help="Search without this phrase; repeat it to forbid several."
    ),
    click.option(
        "--forbid-at",
        multiple=True,
        type=(click.IntRange(0), str),
        metavar="STEP TEXT",
        help="Let this phrase not begin at this target step, counted from 0; repeat it to forbid several.",
    ),
    click.option(
        "--attend",
        multiple=True,
        callback=_to_overrides,
        metavar="STEP:SOURCE[=WEIGHT]",
        help="At this target step attend to this source position (both from 0); "
        "repeat it to weight several positions or steps.",
    ),
    click.option(
        "--beam", type=click.IntRange(1, MAX_BEAM_SIZE), show_default=_DEFAULT, help="Hypotheses kept a step."
    ),
    click.option(
        "--length-penalty",
        type=click.FloatRange(-MAX_LENGTH_PENALTY, MAX_LENGTH_PENALTY),
        callback=_refuse_nan,
        show_default=_DEFAULT,
        help="Exponent of the length that divides a score.",
    ),
    click.option(
        "--max-length",
        type=click.IntRange(1, MAX_LENGTH_LIMIT),
        show_default=_DEFAULT,
        help="Most target tokens, end of sentence and prefix included.",
    ),
    click.option(
        "--top-k",
        type=click.IntRange(1, MAX_TOP_K),
        default=5,
        show_default=True,
        help="Most probable next tokens recorded at each step.",
    ),
    click.option(
        "--early-stopping",
        type=click.Choice(get_args(EarlyStopping)),
        show_default=_DEFAULT,
        help="When the search ends.",
    ),
    click.option(
        "--repetition-penalty",
        type=click.FloatRange(1, MAX_REPETITION_PENALTY),
        callback=_refuse_nan,
        show_default=_DEFAULT,
        help="Factor by which tokens score less that the target has already; 1 for none.",
    ),
    click.option(
        "--min-length",
        type=click.IntRange(0, MAX_LENGTH_LIMIT),
        show_default=_DEFAULT,
        help="Fewest target tokens, end of sentence and prefix included.",
    ),
    click.option(
        "--no-repeat-ngram",
        "ngram_size",
        type=click.IntRange(0, MAX_LENGTH_LIMIT),
        metavar="SIZE",
        show_default=_DEFAULT,
        help="Size of n-grams that the target may not repeat; 0 for none.",
    ),
    click.option(
        "--no-source-ngram",
        "source_ngram_size",
        type=click.IntRange(0, MAX_LENGTH_LIMIT),
        metavar="SIZE",
        show_default=_DEFAULT,
        help="Size of n-grams of the source that the target may not have; 0 for none.",
    ),
    click.option(
        "--ablate",
        multiple=True,
        callback=_to_ablations,
        metavar="KIND:LAYER:HEAD",
        help="Let this head contribute nothing; KIND is encoder, decoder (self-attention) or cross. "
        "Repeat it to ablate several.",
    ),
)
