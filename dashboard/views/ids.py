"""Roles and ids of the page.

A *role* names a place of the page in the attribute ``data-role``. Places of a pane stand below the pane's root, the
element with ``data-pane``; so a pane can stand twice on a page, and scripts and views speak of the same roles. Scripts
find places by role below a root and hold no id.

Only what Dash must reach has an id: the controls. The id of a pane's control is a dictionary of the pane and the
control's role (`control_id`), so that one pattern-matching callback serves every pane. The control stands in an element
with its role and, as ``data-control``, its id, which lets scripts set the control's properties.

Three conventions let a view take part without a script of its own:

- An element with ``data-side`` and ``data-index`` lights up with its word; a click on it selects the word.
- A plotly trace with ``meta={"side": ...}`` and the word's index as ``customdata`` does the same.
- A button sends a wish (`dashboard.state.question`): the one in its ``data-wish``, as JSON; or the verb of the element
  around it with ``data-verb`` and the button's ``data-value``, or without one step and rank of its place in its column.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

MAIN_PANE = "main"
"""Name of the pane that every page has."""


def control_id(pane: str, role: str) -> str | dict[str, str]:
    """The id of a control; controls of the page as a whole belong to no pane (``""``) and have plain ids."""
    return {"pane": pane, "part": str(role)} if pane else str(role)


def as_role(role: str) -> dict[str, Any]:
    """Attributes of a place that views draw into."""
    return {"data-role": str(role)}


def as_control(pane: str, role: str) -> dict[str, Any]:
    """Attributes of the element around a control."""
    return {"data-role": str(role), "data-control": json.dumps(control_id(pane, role))}


class PageRole(StrEnum):
    """Places of the page as a whole."""

    BODY = "page-body"
    NOTICE = "page-notice"
    THEME = "page-theme"
    WELCOME = "page-welcome"
    WELCOME_CLOSE = "page-welcome-close"


class PaneRole(StrEnum):
    """Stores of a pane: the outputs of its two callbacks in the browser."""

    OPTIONS = "pane-options"
    OPTIONS_OF_STATES = "pane-options-of-states"


class HeaderRole(StrEnum):
    """Model, source text and options of the request."""

    MODEL = "header-model"
    SOURCE = "header-source"
    SOURCE_LANGUAGE = "header-source-language"
    TARGET_LANGUAGE = "header-target-language"
    TRANSLATE = "header-translate"
    BEAM_SIZE = "header-beam-size"
    LENGTH_PENALTY = "header-length-penalty"
    THEME = "header-theme"
    SHARE = "header-share"
    EXPORT = "header-export"
    HELP = "header-help"
    UNDO = "header-undo"
    REDO = "header-redo"


class StagesRole(StrEnum):
    """The strip of five stages; buttons and sentences are numbered, as in ``stages-button-1``."""

    STRIP = "stages-strip"
    BUTTON = "stages-button"
    SENTENCE = "stages-sentence"


class TranslationRole(StrEnum):
    """The pivot: words, attention, top k."""

    CARD = "translation-card"
    MODE = "translation-mode"
    DRAWING = "translation-drawing"
    MASS = "translation-mass"
    ATTENTION = "translation-attention"
    VIEW = "translation-view"
    LAYER = "translation-layer"
    HEAD = "translation-head"
    AVERAGING = "translation-averaging"
    ABLATE = "translation-ablate"
    HEADS = "translation-heads"
    CANVAS = "translation-canvas"
    SOURCE_WORDS = "translation-source-words"
    LINKS = "translation-links"
    MATRIX = "translation-matrix"
    TWIN = "translation-twin"
    TARGET_WORDS = "translation-target-words"
    TOP_K = "translation-top-k"


class ComparisonRole(StrEnum):
    """The pinned answer (before) and the shown one (after) in common columns."""

    CARD = "comparison-card"
    DRAWING = "comparison-comparison"
    BEFORE_NAME = "comparison-before-name"
    AFTER_NAME = "comparison-after-name"
    CANVAS = "comparison-canvas"
    CHOICES_BEFORE = "comparison-choices-before"
    BEFORE = "comparison-before"
    LINKS_BEFORE = "comparison-links-before"
    SOURCE = "comparison-source"
    LINKS_AFTER = "comparison-links-after"
    AFTER = "comparison-after"
    CHOICES_AFTER = "comparison-choices-after"
    MATRIX = "comparison-matrix"
    TWIN = "comparison-twin"


class ChangesRole(StrEnum):
    """Changes between the compared answers, in sentences and numbers."""

    CARD = "changes-card"
    CONTENT = "changes-content"
    REFERENCE = "changes-reference"
    REFERENCE_PANEL = "changes-reference-panel"


class AttentionRole(StrEnum):
    """Attention mode: a draft of overrides."""

    PANEL = "attention-panel"
    SENTENCE = "attention-sentence"
    STEPS = "attention-steps"
    CHOICES = "attention-choices"
    SLIDERS = "attention-sliders"
    APPLY = "attention-apply"
    RESET = "attention-reset"


class WordMenuRole(StrEnum):
    """The menu of one word: other words in its place, and what else can be done with it."""

    MENU = "word-menu"
    TITLE = "word-menu-title"
    ACTIONS = "word-menu-actions"
    MAP = "word-menu-map"
    LIST = "word-menu-list"
    NOTE = "word-menu-note"


class ConditionsRole(StrEnum):
    """Conditions of the shown request beyond its source; each can be taken back."""

    LIST = "conditions-list"


class SearchRole(StrEnum):
    """Settings of the search that have no place of their own in the header."""

    PANEL = "search-panel"
    MAX_LENGTH = "search-max-length"
    MIN_LENGTH = "search-min-length"
    NGRAM_SIZE = "search-ngram-size"
    SOURCE_NGRAM_SIZE = "search-source-ngram-size"
    REPETITION_PENALTY = "search-repetition-penalty"
    EARLY_STOPPING = "search-early-stopping"
    TOP_K = "search-top-k"


class WhatIfsRole(StrEnum):
    """The panel of many what-ifs."""

    PANEL = "what-ifs-panel"
    STATUS = "what-ifs-status"
    STOP = "what-ifs-stop"
    BAR = "what-ifs-bar"
    FOUND = "what-ifs-found"


class TreeRole(StrEnum):
    """The beam tree."""

    CARD = "tree-card"
    SUMMARY = "tree-summary"
    EXTENT = "tree-extent"
    GRAPH = "tree-graph"
    FIT = "tree-fit"
    TWIN = "tree-twin"
    OVERLAY = "tree-overlay"
    CURSOR = "tree-cursor"


class NBestRole(StrEnum):
    """The n-best list."""

    LIST = "nbest-list"
    NAME = "nbest-name"
    PANEL = "nbest-panel"


class HistoryRole(StrEnum):
    """The strip of what-ifs, and the drawer with the whole tree."""

    STRIP = "history-strip"
    PIN = "history-pin"
    TOGGLE = "history-toggle"
    DRAWER = "history-drawer"
    TREE = "history-tree"
    TITLE = "history-title"
    COUNT = "history-count"
    RESTORE = "history-restore"
    CLOSE = "history-close"


class SessionRole(StrEnum):
    """Saving and opening a session, and the note of the moment on view."""

    MENU = "session-menu"
    SAVE = "session-save"
    OPEN = "session-open"
    LINK = "session-link"
    BEFORE = "session-before"
    EXAMPLES = "session-examples"
    GUIDE = "session-guide"
    GUIDE_TEXT = "session-guide-text"
    GUIDE_BACK = "session-guide-back"
    GUIDE_NEXT = "session-guide-next"
    GUIDE_HIDE = "session-guide-hide"


class NeighborhoodRole(StrEnum):
    """Trajectory and pictograms."""

    CARD = "neighborhood-card"
    SPACE = "neighborhood-space"
    MAP = "neighborhood-map"
    MAPS = "neighborhood-maps"
    MAP_NAME = "neighborhood-map-name"
    METHOD = "neighborhood-method"
    SUMMARY = "neighborhood-summary"
    GRAPH = "neighborhood-graph"
    FOCUS = "neighborhood-focus"
    TWIN = "neighborhood-twin"
    PICTOGRAMS = "neighborhood-pictograms"
    OF_BOTH = "neighborhood-of-both"


class NeighborsRole(StrEnum):
    """The training examples around the selected word."""

    CARD = "neighbors-card"
    SUMMARY = "neighbors-summary"
    OFFSET = "neighbors-offset"
    IMPLIED = "neighbors-implied"
    LIST = "neighbors-list"
