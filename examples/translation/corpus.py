"""The translation corpus: English sentences from the language reference that comes with Python.

    python -m examples.translation.corpus --out examples/translation/data

The texts are those of ``help()``, in ``pydoc_data.topics``: one version of Python always gives the same sentences, in
the same order. There are no targets: the model that is looked into writes them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from pydoc_data.topics import topics

from exported_models.contract.errors import BeamscopeError
from exported_models.contract.publishing import explain_disk_errors, write_bytes_atomically

HELD_OUT_EVERY = 20
FEWEST_WORDS, MOST_WORDS = 3, 40
LEAST_LETTERS = 0.75
"""Share of a sentence's characters that are letters and blanks: below it is code rather than prose."""

_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"""(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\betc\.)\s+(?=["(]?[A-Z])""")
_BULLET = re.compile(r"\s*(?:\*|\d+\.)\s+")
_HYPHENATED = re.compile(r"(?<=\w)- (?=\w)")
_VERSION_NOTE = re.compile(r"^(?:Changed|New|Deprecated|Added)\b[^:.]* version \d+(?:\.\d+)*(?:: |\.\s*)")
_NOT_PROSE = re.compile(r"::=|>>>|\.\.\. |\||[=*+~-]{3}|[{}\\<>@^]|^\S+\(.*\)$")
# Marks of emphasis, references to footnotes, and quotes that nobody types.
_EMPHASIS = re.compile(r"\*{1,2}(\w[^*]*?)\*{1,2}")
_FOOTNOTE = re.compile(r"\s*\[\d+\]")
_AS_TYPED = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "…": "..."})


def read_sentences() -> list[str]:
    """Every sentence once, in the order of the topics' names."""
    found: dict[str, None] = {}
    for name in sorted(topics):
        for paragraph in _PARAGRAPH.split(topics[name]):
            found.update(dict.fromkeys(_split_paragraph(paragraph)))
    return list(found)


def write_corpus(folder: Path) -> None:
    """Write ``train.txt`` and ``validation.txt``, a sentence a line; every twentieth sentence is held out."""
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    sentences = read_sentences()
    held_out = sentences[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    kept = [sentence for number, sentence in enumerate(sentences, start=1) if number % HELD_OUT_EVERY]
    for name, lines in (("train", kept), ("validation", held_out)):
        write_bytes_atomically(folder / f"{name}.txt", "".join(f"{line}\n" for line in lines).encode("utf-8"))


def _split_paragraph(paragraph: str) -> Iterator[str]:
    """The sentences of a paragraph that are prose; none of a table, a heading, an example or a piece of grammar."""
    text = _HYPHENATED.sub("-", " ".join(_read_lines(paragraph))).translate(_AS_TYPED)
    text = _EMPHASIS.sub(r"\1", _FOOTNOTE.sub("", text))
    for sentence in _SENTENCE_END.split(_VERSION_NOTE.sub("", text)):
        if _is_prose(sentence):
            yield " ".join(sentence.split())


def _read_lines(paragraph: str) -> list[str]:
    """The lines of running text: those of an item of a list without its bullet, of a definition without its term."""
    lines = paragraph.strip("\n").splitlines()
    depths = [len(line) - len(line.lstrip()) for line in lines]
    bullet = _BULLET.match(lines[0]) if lines else None
    if bullet is not None:
        lines[0] = lines[0][bullet.end() :]
    elif len(lines) > 1 and depths[0] < depths[1]:
        lines = lines[1:]
    return [line.strip() for line in lines]


def _is_prose(sentence: str) -> bool:
    """Whether a reader would call it an English sentence."""
    words = sentence.split()
    letters = sum(character.isalpha() or character == " " for character in sentence)
    return (
        FEWEST_WORDS <= len(words) <= MOST_WORDS
        and sentence[0].isupper()
        and sentence[-1] in ".!?:"
        and letters >= LEAST_LETTERS * len(sentence)
        and sentence.count('"') % 2 == 0
        and sentence.count("(") == sentence.count(")")
        and not _NOT_PROSE.search(sentence)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the corpus and say how many sentences it has."""
    parser = argparse.ArgumentParser(description="Write the translation corpus.")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where train.txt and validation.txt go"
    )
    options = parser.parse_args(arguments)
    try:
        write_corpus(options.out)
    except BeamscopeError as error:
        print(f"corpus: {error}", file=sys.stderr)
        return 1
    for path in sorted(options.out.glob("*.txt")):
        print(f"{path}: {len(path.read_text(encoding='utf-8').splitlines()):,} sentences")
    return 0


if __name__ == "__main__":
    sys.exit(main())
