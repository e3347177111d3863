"""The protocol by which wishes that hold a text become target tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from exported_models.contract.errors import RequestError


class TargetText(Protocol):
    """Reads and locates the target text of one model."""

    def read(self, text: str, *, ends: bool) -> tuple[str, ...]:
        """The tokens that spell ``text``; ``ends`` appends the end of sentence.

        Raises:
            RequestError: the text is empty or too long, or the vocabulary cannot express it.
        """

    def locate(self, token_ids: Sequence[int], text: str) -> tuple[tuple[int, int], ...]:
        """The ``(start, end)`` characters of ``text`` that each token adds, where ``token_ids`` decode to ``text``."""


class _NoTargetText:
    """Stands where no model is at hand."""

    def read(self, text: str, *, ends: bool) -> tuple[str, ...]:  # noqa: ARG002
        raise RequestError("A change that is given as text needs the tokenizer of its model.", field="wish.text")

    def locate(self, token_ids: Sequence[int], text: str) -> tuple[tuple[int, int], ...]:  # noqa: ARG002
        raise RequestError("A change that is given as text needs the tokenizer of its model.", field="wish.text")


NO_TARGET_TEXT: Final[TargetText] = _NoTargetText()
"""Refuses every text."""
