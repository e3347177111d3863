"""Paragraphs and tables as HTML for a notebook, on a light ground or a dark one."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from beamscope.text_tables import Block, TextTable

_BAR: Final = "rgba(80,130,200,.3)"
"""Color of bars, seen behind text on any ground."""


def write_html(blocks: Iterable[Block]) -> str:
    """Blocks as an HTML fragment; every text is escaped."""
    return "".join(_write_table(one) if isinstance(one, TextTable) else _write_paragraph(one) for one in blocks)


def _write_paragraph(text: str) -> str:
    return f'<p style="white-space:pre-line">{escape(text)}</p>' if text else ""


def _write_table(table: TextTable) -> str:
    head = "".join(_write_cell("th", text, _align(table, column)) for column, text in enumerate(table.header))
    body = "".join(f"<tr>{_write_row(table, place)}</tr>" for place in range(len(table.rows)))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{_write_paragraph(table.note)}"


def _write_row(table: TextTable, place: int) -> str:
    styles = [_align(table, column) for column in range(len(table.header))]
    if table.shares:
        end = f"{100 * table.shares[place]:.0f}%"
        styles[table.bars] += f";background:linear-gradient(90deg,{_BAR} {end},transparent {end})"
    return "".join(_write_cell("td", *cell) for cell in zip(table.rows[place], styles, strict=True))


def _write_cell(tag: str, text: str, style: str) -> str:
    return f'<{tag} dir="auto" style="{style}">{escape(text)}</{tag}>'


def _align(table: TextTable, column: int) -> str:
    return f"text-align:{'right' if column in table.right else 'left'}"
