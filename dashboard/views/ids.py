"""Every id of the page, one enum a view.

The stores that views share:

=====================  ==============================================================================================
``PageId.ADDRESS``     ``{"fragment": str, "at": ms}``, where the visitor came to or went back to. Our own pushes are
                       not among it, which is why it is no ``dcc.Location``.
``PageId.REQUEST``     ``{"request": <RequestDocument>, "hypothesis": 0}``, or None before the first translation. What
                       stands here can be answered: it is translated (and cached) before it is written.
``PageId.SELECTION``   ``{"side": "source" | "target", "index": int}``, the word clicked last, or None
``PageId.STAGE``       the stage chosen in the strip, 1 to 5, or None
``PageId.THEME``       ``"light"`` or ``"dark"``
``PageId.NOTICE``      ``{"kind": "error" | "info", "text": str}``, or None
``PageId.LINK``        ``{"fragment": str, "refusal": str}`` of what is shown; of the two, one is empty
=====================  ==============================================================================================

Two conventions of `assets/linking.js` let any view take part without a callback of its own. An element with
``data-side`` and ``data-index`` lights up with its word, and a click on it selects the word. In a plotly figure a trace
with ``meta={"side": ...}`` and the word's index as ``customdata`` does the same: its ``selectedpoints`` follow the
hover. A button with ``data-value`` inside an element with ``data-send=<store id>`` writes ``{"value": ..., "at": ...}``
into that store when clicked (without ``data-value``: its column's ``data-index`` and its place there, ``"3:1"``).
"""

from enum import StrEnum


class PageId(StrEnum):
    """What belongs to the page as a whole."""

    ADDRESS = "page-address"
    REQUEST = "page-request"
    SELECTION = "page-selection"
    STAGE = "page-stage"
    THEME = "page-theme"
    NOTICE = "page-notice"
    NOTICE_REGION = "page-notice-region"
    LINK = "page-link"
    BODY = "page-body"


class HeaderId(StrEnum):
    """Model, source text and options of the request."""

    MODEL = "header-model"
    SOURCE = "header-source"
    TRANSLATE = "header-translate"
    BEAM_SIZE = "header-beam-size"
    LENGTH_PENALTY = "header-length-penalty"
    THEME = "header-theme"
    SHARE = "header-share"
    EXPORT = "header-export"
    EXPORT_JSON = "header-export-json"
    EXPORT_SVG = "header-export-svg"
    DOWNLOAD = "header-download"
    HELP = "header-help"


class StagesId(StrEnum):
    """The strip of five stages."""

    STRIP = "stages-strip"
    SENTENCES = "stages-sentences"
    CHOICE = "stages-choice"


class TranslationId(StrEnum):
    """The pivot: words, attention, top k."""

    CARD = "translation-card"
    MODE = "translation-mode"
    DRAWING = "translation-drawing"
    MASS = "translation-mass"
    LAYER = "translation-layer"
    HEAD = "translation-head"
    AVERAGING = "translation-averaging"
    ABLATE = "translation-ablate"
    ROOM = "translation-room"
    CANVAS = "translation-canvas"
    SOURCE_WORDS = "translation-source-words"
    LINKS = "translation-links"
    LINKS_SHEETS = "translation-links-sheets"
    MATRIX = "translation-matrix"
    TARGET_WORDS = "translation-target-words"
    TOP_K = "translation-top-k"
    CHOICE = "translation-choice"


class AttentionId(StrEnum):
    """Attention mode: a draft of an override."""

    PANEL = "attention-panel"
    DRAFT = "attention-draft"
    SENTENCE = "attention-sentence"
    APPLY = "attention-apply"
    RESET = "attention-reset"


class TreeId(StrEnum):
    """The beam tree."""

    CARD = "tree-card"
    SUMMARY = "tree-summary"
    EXTENT = "tree-extent"
    GRAPH = "tree-graph"
    SHEETS = "tree-sheets"
    FIT = "tree-fit"
    TWIN = "tree-twin"
    SEARCH = "tree-search"
    CHOICE = "tree-choice"
    CURSOR = "tree-cursor"


class NBestId(StrEnum):
    """The n-best list."""

    LIST = "nbest-list"
    CHOICE = "nbest-choice"


class HistoryId(StrEnum):
    """The strip of what-ifs."""

    STORE = "history-store"
    STRIP = "history-strip"
    CHOICE = "history-choice"
    UNDO = "history-undo"
    REDO = "history-redo"


class NeighborhoodId(StrEnum):
    """Trajectory and pictograms."""

    CARD = "neighborhood-card"
    SPACE = "neighborhood-space"
    MAP = "neighborhood-map"
    METHOD = "neighborhood-method"
    SUMMARY = "neighborhood-summary"
    GRAPH = "neighborhood-graph"
    TWIN = "neighborhood-twin"
    PICTOGRAMS = "neighborhood-pictograms"
    DRAWN = "neighborhood-drawn"


class NeighborsId(StrEnum):
    """What the model has seen: neighbors of the selected word."""

    CARD = "neighbors-card"
    SUMMARY = "neighbors-summary"
    OFFSET = "neighbors-offset"
    IMPLIED = "neighbors-implied"
    LIST = "neighbors-list"
    CHOICE = "neighbors-choice"
