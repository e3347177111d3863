"""The option ``--change``: any what-if as the JSON of a wish, applied to the best translation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from exported_models.contract.errors import shorten
from exported_models.contract.json_text import parse_json
from exported_models.contract.request import Request

if TYPE_CHECKING:
    from exported_models.contract.trace import Trace
    from exported_models.contract.wishes import Wish
    from exported_models.engine import Engine


def apply_changes(engine: Engine, request: Request, wishes: Sequence[Wish], beside: Trace | None = None) -> Request:
    """The request after all changes, each applied to the best translation of the one before.

    Args:
        beside: the translation that attention is copied from.

    Raises:
        RequestError: a wish names a step, rank, node or word that the translation does not have.
    """
    from exported_models.edits import apply

    for wish in wishes:
        trace = engine.translate(request)
        target = engine.target_text(request.model_id)
        other = None if beside is None else (beside, beside.best)
        request = apply(wish, trace, trace.best, target=target, beside=other).request
    return request


def _to_wishes(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Wish, ...]:
    return tuple(_read(value) for value in values)


def _read(text: str) -> Wish:
    from pydantic import ValidationError

    from exported_models.contract.wishes import read_wish

    try:
        return read_wish(parse_json(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise click.BadParameter(
            f"{shorten(text)} is no change: {place + ': ' if place else ''}{first['msg']}."
        ) from None
    except ValueError as error:
        raise click.BadParameter(f"{shorten(text)} is not JSON: {error}.") from None


change_option = click.option(
    "--change",
    "changes",
    multiple=True,
    callback=_to_wishes,
    metavar="JSON",
    help="Change the best translation as POST /api/v1/what-if does; the value is a wish, for instance "
    '\'{"verb": "choose", "step": 3, "rank": 1}\'. Repeat it to change what the change before gave.',
)
