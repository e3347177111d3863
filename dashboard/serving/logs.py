"""The log on standard error, as lines for people or as JSON for programs.

Messages of unexpected errors may hold what a client sent, so they are left out unless texts are asked for.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import Final, Literal

from dashboard.request_id import current_request

LogFormat = Literal["lines", "json"]
_FIELDS: Final = ("request", "user", "outcome", "milliseconds")


def set_up_logging(style: LogFormat | None, *, with_texts: bool = False) -> None:
    """Write the log of this process; None writes errors alone, as lines.

    Args:
        with_texts: write messages of unexpected errors, which may hold source texts.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((JsonFormatter if style == "json" else LineFormatter)(with_texts=with_texts))
    root = logging.getLogger()
    root.handlers = [handler]
    logging.getLogger("beamscope").setLevel(logging.WARNING if style is None else logging.INFO)


class _Formatter(logging.Formatter):
    """A formatter that leaves messages of errors out, unless texts are wanted."""

    def __init__(self, *, with_texts: bool = False) -> None:
        super().__init__()
        self._with_texts = with_texts

    def describe(self, record: logging.LogRecord) -> str:
        """The frames of a record's error and its type; its message where texts are wanted. Empty without an error."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return ""
        if self._with_texts:
            return "".join(traceback.format_exception(error)).rstrip()
        return "".join((*traceback.format_tb(error.__traceback__), type(error).__name__))


class LineFormatter(_Formatter):
    """A record as a line: time, level, message, then ``name=value``; the frames of an error follow."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        fields = "".join(f" {name}={value}" for name, value in _fields_of(record).items() if value != "")
        line = f"{_time_of(record)} {record.levelname} {record.getMessage()}{fields}"
        return f"{line}\n{self.describe(record)}".rstrip()


class JsonFormatter(_Formatter):
    """A record as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The JSON of a record."""
        document = {"time": _time_of(record), "level": record.levelname, "message": record.getMessage()}
        document |= _fields_of(record)
        error = self.describe(record)
        return json.dumps({**document, "error": error} if error else document, ensure_ascii=False)


def _fields_of(record: logging.LogRecord) -> dict[str, str]:
    found = {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
    return found if found or not current_request() else {"request": current_request()}


def _time_of(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z"
