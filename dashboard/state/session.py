"""A session: the history of an analysis with its names, notes, stars, pin and views, as one JSON document.

This is the one schema of session files: of those that the page saves and opens, of those that ``beamscope open`` reads,
and of the worked examples. The browser keeps the history of a tab in the same form.
"""

from __future__ import annotations

import json
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dashboard.errors import SessionError
from dashboard.state.page_state import Json, PageState, StateDocument
from dashboard.state.question import Options, SelectedWord
from exported_models.contract.errors import shorten
from exported_models.contract.json_text import parse_json
from exported_models.contract.numbers import Number, WholeNumber

FORMAT: Final = "beamscope-session"
VERSION: Final = 1
"""Revision of the form; a file of a later one is refused."""
MAX_MOMENTS: Final = 500
"""Most answers that a history keeps."""
MAX_SESSION_BYTES: Final = 2_000_000
MAX_NAME: Final = 200
MAX_NOTE: Final = 4_000
"""Characters of a name and of a note."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MomentDocument(_Document):
    """One answer of the history.

    Attributes:
        state: the request and the hypothesis that was shown, without a pin.
        label: what it changed.
        parent: the moment that it changed, by its place in the list; None where a branch begins.
        next: the child that redo goes to.
        text: the target text.
        score: of the hypothesis, divided by its length to the power of ``length_penalty``. Scores compare where their
            length penalties are equal.
        model_hash: content hash of the model that answered; empty where any build of the model will do.
        beside: the moment that it is compared with when it is shown; None to leave the pin of the page as it is.
        name, note, star: given by the analyst.
    """

    state: StateDocument
    label: str = Field("", max_length=500)
    parent: WholeNumber | None = None
    next: WholeNumber | None = None
    text: str = ""
    score: Number | None = None
    length_penalty: Number | None = None
    model_hash: str = Field("", max_length=64)
    beside: WholeNumber | None = None
    name: str = Field("", max_length=MAX_NAME)
    note: str = Field("", max_length=MAX_NOTE)
    star: bool = False


class Views(Options):
    """Values of the controls. Controls of another version of the page are left out."""

    model_config = ConfigDict(extra="ignore")


class SessionDocument(_Document):
    """A session file.

    Attributes:
        title, about: what the session shows, for people.
        moments: the history in the order it was made, so that every moment stands after its parent.
        current: the moment on the page.
        pinned: the moment that others are compared with; None for none.
        selection: the chosen word.
        views: values of the controls.
    """

    format: Literal["beamscope-session"] = FORMAT
    version: Literal[1] = VERSION
    title: str = Field("", max_length=MAX_NAME)
    about: str = Field("", max_length=MAX_NOTE)
    moments: list[MomentDocument] = Field(min_length=1, max_length=MAX_MOMENTS)
    current: WholeNumber = 0
    pinned: WholeNumber | None = None
    selection: SelectedWord | None = None
    views: Views = Views()

    @model_validator(mode="after")
    def _check_tree(self) -> SessionDocument:
        """Refuse a moment that is named and not there, and one that does not stand after its parent."""
        count = len(self.moments)
        for index, moment in enumerate(self.moments):
            if moment.parent is not None and not 0 <= moment.parent < index:
                raise ValueError(f"moment {index} names the parent {moment.parent}, which does not stand before it")
            if moment.next is not None and not index < moment.next < count:
                raise ValueError(f"moment {index} names the next moment {moment.next}, which does not stand after it")
        places = [("current", self.current), ("pinned", self.pinned)]
        for name, place in places + [("beside", moment.beside) for moment in self.moments]:
            if place is not None and not 0 <= place < count:
                raise ValueError(f"{name} is moment {place}, and there are {count}, counted from 0")
        return self

    def state_of(self, index: int) -> PageState:
        """The answer of a moment, without a pin."""
        return self.moments[index].state.to_state().bare

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that answered, in the order they first did."""
        return tuple(dict.fromkeys(moment.state.request.model_id for moment in self.moments))

    def to_document(self) -> Json:
        """The session as a JSON value; fields that have their default value are left out."""
        kept = {"format": self.format, "version": self.version, "current": self.current}
        return kept | self.model_dump(mode="json", exclude_defaults=True, exclude={"views": {"room", "theme"}})

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps(self.to_document(), ensure_ascii=False, indent=1) + "\n"


def read_session(text: str | bytes) -> SessionDocument:
    """Read a session file.

    Raises:
        SessionError: it is too large, damaged, of a later version, or something else; the message is one sentence.
    """
    check_size(len(text.encode() if isinstance(text, str) else text))
    try:
        document = parse_json(text)
    except ValueError:
        raise SessionError(
            "The session file is damaged or was cut off: it is not whole JSON; save the session again."
        ) from None
    return validate_session(document)


def check_size(size: int) -> None:
    """Refuse a session file of more than `MAX_SESSION_BYTES` bytes.

    Raises:
        SessionError: it is larger.
    """
    if size > MAX_SESSION_BYTES:
        raise SessionError(
            f"The session file has {size / 1e6:.1f} MB, and files of up to {MAX_SESSION_BYTES / 1e6:g} MB are opened."
        )


def validate_session(document: object) -> SessionDocument:
    """Read the JSON value of a session.

    Raises:
        SessionError: it is of a later version, or no session; the message is one sentence.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SessionError(f"This is not a session file of Beamscope: its format is not {FORMAT!r}.")
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise SessionError(
            f"The session file is of version {version}, and this Beamscope reads up to version {VERSION}; "
            "open it with a newer Beamscope."
        )
    try:
        return SessionDocument.model_validate(document)
    except ValidationError as error:
        raise SessionError(_describe_mistake(error)) from None


def _describe_mistake(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    reason = first["msg"].removeprefix("Value error, ")
    return f"The session file has a mistake{f' at {shorten(place)}' if place else ''}: {shorten(reason)}."
