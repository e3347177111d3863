"""A report as one HTML document that opens offline: no script, no address, fonts and drawings inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from dashboard.drawing.svg.document import Drawing, embed_font, write_svg

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
_STYLE = """
body { margin: 0 auto; max-width: 1080px; padding: 24px 32px 64px; color: #1c2430; background: #fff;
  font: 400 15px/1.5 Inter, system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 0 0 2px; }
section { margin: 40px 0 0; padding: 20px 0 0; border-top: 1px solid #e3e6eb; }
.label, .about { color: #66707f; margin: 0 0 10px; } .note { border-left: 3px solid #2f6fdb; margin: 12px 0;
  padding: 2px 12px; white-space: pre-wrap; } .star { color: #c77700; }
nav ul { list-style: none; margin: 0; padding-left: 18px; } nav > ul { padding-left: 0; }
a { color: #2459b3; text-decoration: none; } a:hover { text-decoration: underline; }
table { border-collapse: collapse; margin: 12px 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 3px 18px 3px 0; border-bottom: 1px solid #e3e6eb; }
th { color: #66707f; font-weight: 500; } figure { margin: 16px 0; overflow-x: auto; }
@media print { body { max-width: none; padding: 0; } figure, table, .note { break-inside: avoid; }
  nav { display: none; } figure svg { max-width: 100%; height: auto; } }
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """A table: the names of its columns, and its rows."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """One answer of a report.

    Attributes:
        anchor: its place, unique in the report.
        title: its name.
        label: a line about it, for instance what it changed.
        note: what the analyst wrote.
        star: whether the analyst marked it.
        parent: anchor of the section that it followed from; empty for none.
        sentences: what is to be said about it.
    """

    anchor: str
    title: str
    label: str = ""
    note: str = ""
    star: bool = False
    parent: str = ""
    sentences: Sequence[str] = ()
    listing: Listing | None = None
    drawings: Sequence[Drawing] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A title, a few lines about the whole, and its sections."""

    title: str
    about: Sequence[str]
    sections: Sequence[Section]


def write_report(report: Report, palette: Mapping[str, str]) -> str:
    """The document; every text is escaped."""
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{_clean(report.title)}</title><style>{embed_font()}{_STYLE}</style></head><body>",
        f"<h1>{_clean(report.title)}</h1>",
        *(f'<p class="about">{_clean(line)}</p>' for line in report.about),
        f"<nav>{_list_contents(report.sections)}</nav>" if len(report.sections) > 1 else "",
        "<main>",
        *(_write_section(section, palette) for section in report.sections),
        "</main></body></html>",
    ]
    return "\n".join(part for part in parts if part)


def _list_contents(sections: Sequence[Section]) -> str:
    """The sections as a tree, each below the one that it followed from."""
    known = {section.anchor for section in sections}
    below: dict[str, list[Section]] = {}
    for section in sections:
        below.setdefault(section.parent if section.parent in known else "", []).append(section)
    return "".join(_walk(below))


def _walk(below: Mapping[str, Sequence[Section]]) -> Iterator[str]:
    """Nested lists, without recursion: a history may be deep."""
    waiting: list[str | Section] = ["</ul>", *reversed(below.get("", ())), "<ul>"]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
            continue
        yield f'<li><a href="#{item.anchor}">{_star(item)}{_clean(item.title)}</a>'
        waiting.append("</li>")
        if item.anchor in below:
            waiting += ["</ul>", *reversed(below[item.anchor]), "<ul>"]


def _write_section(section: Section, palette: Mapping[str, str]) -> str:
    return "".join(
        [
            f'<section id="{section.anchor}"><h2>{_star(section)}{_clean(section.title)}</h2>',
            f'<p class="label">{_clean(section.label)}</p>' if section.label else "",
            f'<p class="note">{_clean(section.note)}</p>' if section.note else "",
            *(f"<p>{_clean(sentence)}</p>" for sentence in section.sentences),
            _write_listing(section.listing) if section.listing else "",
            *(f"<figure>{write_svg(drawing, palette, fonts=False)}</figure>" for drawing in section.drawings),
            "</section>",
        ]
    )


def _write_listing(listing: Listing) -> str:
    head = "".join(f'<th scope="col">{_clean(name)}</th>' for name in listing.head)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(_write_rows(listing.rows))}</tbody></table>"


def _write_rows(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield f"<tr>{''.join(f'<td>{_clean(cell)}</td>' for cell in row)}</tr>"


def _star(section: Section) -> str:
    return '<span class="star" title="starred">★ </span>' if section.star else ""


def _clean(text: str) -> str:
    return escape(text, quote=False)
