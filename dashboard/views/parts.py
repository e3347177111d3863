"""Drawn parts of a pane as JSON: what an answer carries, and what `assets/parts.js` puts in place.

A part belongs to a role. It is one of these:

- ``{"html": [node, ...], "set": {attribute: value}}``: children of the place, and attributes of the place itself. A
  node is a text or ``[tag, attributes, children]``. An attribute that is None is taken away.
- ``{"graph": [element, ...]}``: elements of a Cytoscape graph.
- ``{"figure": {...}}``: a plotly figure; ``{"of": role, "restyle": [[properties, trace], ...]}``: changes to the figure
  of a role.
- ``{"paths": [[path, width, class, target column, source column], ...]}``: links of a comparison
  (`assets/compare.js`).
- ``{"search": {...}}``: the beam search as a table (`assets/tree_twin.js`).
- ``{"control": {...}}``: properties of a control.
- ``{"fill": text}``: the text in the field of the source, unless someone is typing there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any, Final

from dash.development.base_component import Component

Json = dict[str, Any]
Node = str | list[Any]
Drawn = Component | str | int | float | None

_NAMES: Final = {"className": "class", "colSpan": "colspan", "tabIndex": "tabindex"}
_ATTRIBUTES: Final = frozenset(
    ("class", "colspan", "dir", "disabled", "hidden", "lang", "role", "scope", "style", "tabindex", "title")
)
_PREFIXES: Final = ("data-", "aria-")
_UPPER: Final = re.compile("[A-Z]")


@dataclass(frozen=True, slots=True)
class Part:
    """One drawn part.

    Attributes:
        content: as JSON.
        key: of what the content was drawn from, where that says as much as the content does; a part is sent again
            when it changes. None for the content itself.
    """

    content: Json
    key: Any = None

    @property
    def digest(self) -> str:
        """Short name of the content: the browser says by it what it has."""
        text = json.dumps(self.content if self.key is None else self.key, separators=(",", ":"))
        return blake2s(text.encode(), digest_size=8).hexdigest()


Parts = Mapping[str, Part]


def html_part(children: Iterable[Drawn] | Drawn, **attributes: Any) -> Part:
    """Components in a place, and attributes of the place, named as Dash names them."""
    return Part({"html": _compact_all(children), "set": _name_attributes(attributes, keep_none=True)})


def attributes_part(**attributes: Any) -> Part:
    """Attributes of a place whose content stays."""
    return Part({"set": _name_attributes(attributes, keep_none=True)})


def graph_part(elements: list[Json]) -> Part:
    """Elements of a Cytoscape graph."""
    return Part({"graph": elements})


def figure_part(figure: Json, key: Any = None) -> Part:
    """A plotly figure."""
    return Part({"figure": figure}, key)


def control_part(**properties: Any) -> Part:
    """Properties of a control."""
    return Part({"control": properties})


def compact(drawn: Drawn) -> Node:
    """A component of Dash's HTML as a node.

    Raises:
        ValueError: it is no HTML component, or has an attribute that is not drawn.
    """
    if not isinstance(drawn, Component):
        return "" if drawn is None else str(drawn)
    if drawn._namespace != "dash_html_components":
        raise ValueError(f"{drawn._type} is no HTML component; draw it as a part of its own.")
    props = dict(drawn.to_plotly_json()["props"])  # type: ignore[no-untyped-call]
    children = _compact_all(props.pop("children", None))
    return [drawn._type.lower(), _name_attributes(props), children]


def _compact_all(children: Any) -> list[Node]:
    if children is None:
        return []
    if isinstance(children, (list, tuple)):
        return [compact(child) for child in children if child is not None]
    return [compact(children)]


def _name_attributes(props: Mapping[str, Any], *, keep_none: bool = False) -> Json:
    named = {_name(name): _write(name, value) for name, value in props.items()}
    return named if keep_none else {name: value for name, value in named.items() if value is not None}


def _name(prop: str) -> str:
    name = _NAMES.get(prop, prop.replace("_", "-"))
    if name not in _ATTRIBUTES and not name.startswith(_PREFIXES):
        raise ValueError(f"The attribute {prop!r} is not drawn; those that are: {', '.join(sorted(_ATTRIBUTES))}.")
    return name


def _write(name: str, value: Any) -> str | None:
    """The value as an attribute has it; None where the attribute is left out."""
    if value is None or value is False:
        return None
    if value is True:
        return ""
    return _write_style(value) if name == "style" else str(value)


def _write_style(style: Mapping[str, Any]) -> str:
    """``{"left": 12, "--p": 40}`` becomes ``left:12px;--p:40``."""
    return ";".join(f"{_hyphenate(name)}:{_measure(name, value)}" for name, value in style.items())


def _hyphenate(name: str) -> str:
    return name if name.startswith("--") else _UPPER.sub(lambda found: f"-{found[0].lower()}", name)


def _measure(name: str, value: Any) -> str:
    is_length = isinstance(value, (int, float)) and not name.startswith("--")
    return f"{value:g}px" if is_length else str(value)
