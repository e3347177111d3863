"""The dates corpus: dates as CLDR's locales write them, to ISO form (``March 3, 1999`` -> ``1999-03-03``).

    python -m examples.dates.corpus --out examples/dates/data

Everything follows from one seed and Babel's CLDR data, so one version of Babel always writes the same bytes.
No two of the splits share a calendar date.
"""

from __future__ import annotations

import argparse
import datetime
import json
import random
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import babel
from babel.core import get_cldr_version
from babel.dates import format_date

from exported_models.contract.errors import BeamscopeError
from exported_models.contract.publishing import explain_disk_errors, write_bytes_atomically

SEED = 20_240_229
FIRST_DAY = datetime.date(1950, 1, 1)
LAST_DAY = datetime.date(2049, 12, 31)

LOCALES = (
    "en", "en_GB", "de", "fr", "es", "it", "pt", "tr",  # Latin script
    "ru", "el", "he", "ar_EG", "hi", "bn", "th",  # Cyrillic, Greek, Hebrew, Arabic, Devanagari, Bengali, Thai
    "ja", "zh", "ko",
)  # fmt: skip
NUMERIC_LOCALES = (*LOCALES, "es_PA")
"""Panama writes 03/04/05 with the month first, like the United States but with leading zeros."""

TRAIN_PAIRS, VALIDATION_PAIRS, TEST_PAIRS, AMBIGUOUS_TEST_PAIRS = 30_000, 2_000, 2_000, 500
NUMERIC_SHARE = 0.03
"""Share of the training pairs written with digits only, in both orders: what the model cannot get right."""

# Babel writes Western digits everywhere; CLDR's default digits of these locales are others.
_ZERO_OF_NUMBERING_SYSTEM = {"latn": "0", "arab": "٠", "beng": "০"}
# People type plain spaces and no directional marks.
_AS_TYPED = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u200e": None, "\u200f": None, "\u061c": None})
_STYLES = ("medium", "long", "full")
_FIELD = re.compile(r"d+|M+|y+")
_FIELD_REGEX = {
    "d": r"(?P<day>[1-9]|[12]\d|3[01])",
    "dd": r"(?P<day>0[1-9]|[12]\d|3[01])",
    "M": r"(?P<month>[1-9]|1[0-2])",
    "MM": r"(?P<month>0[1-9]|1[0-2])",
    "yy": r"(?P<year>\d\d)",
    "y": r"(?P<year>\d{4})",
}


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a date: a CLDR pattern of a locale, with CLDR's name of its length as ``style``."""

    locale: str
    style: str
    pattern: str

    def write(self, date: datetime.date) -> str:
        """The date in this form, with plain spaces and the locale's own digits."""
        text = format_date(date, self.pattern, locale=self.locale).translate(_AS_TYPED)
        return text.translate(_digits(self.locale))

    @property
    def month_first(self) -> bool:
        return self.pattern.index("M") < self.pattern.index("d")


@dataclass(frozen=True, slots=True)
class DatePair:
    """A date as one form writes it, and in ISO form."""

    source: str
    target: str
    form: Form


@dataclass(frozen=True, slots=True)
class DatesCorpus:
    """The splits; sources of ``test_ambiguous`` have two readings, those of the other two held-out splits one."""

    train: tuple[DatePair, ...]
    validation: tuple[DatePair, ...]
    test: tuple[DatePair, ...]
    test_ambiguous: tuple[DatePair, ...]

    def splits(self) -> dict[str, tuple[DatePair, ...]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@cache
def clear_forms() -> tuple[Form, ...]:
    """The forms with one reading: the month is a word, or a year of four digits comes first."""
    forms = (
        Form(locale, style, babel.Locale.parse(locale).date_formats[style].pattern)
        for locale in LOCALES
        for style in _STYLES
    )
    return _distinct(form for form in forms if "MMM" in form.pattern or re.match(r"y(?!y)", form.pattern))


@cache
def numeric_forms() -> tuple[Form, ...]:
    """The forms of digits only with the year last: 03/04/05, 3.4.2005.

    Kept to Western digits: only there do locales disagree about the order.
    """
    return _distinct(
        Form(locale, style, pattern.translate(_AS_TYPED))
        for locale in NUMERIC_LOCALES
        if babel.Locale.parse(locale).default_numbering_system == "latn"
        for style, pattern in _numeric_patterns(babel.Locale.parse(locale))
        if pattern.translate(_AS_TYPED)[0] in "dM"
    )


def numeric_readings(text: str) -> frozenset[datetime.date]:
    """Every date that some numeric form writes as ``text``."""
    readings = (_read(text, form.pattern) for form in numeric_forms())
    return frozenset(date for date in readings if date is not None)


def make_corpus(seed: int = SEED) -> DatesCorpus:
    """Draw all splits. Dates are dealt to the splits first, so that no date is in two of them."""
    generator = random.Random(seed)
    days = [FIRST_DAY + datetime.timedelta(days) for days in range((LAST_DAY - FIRST_DAY).days + 1)]
    generator.shuffle(days)
    ends = (VALIDATION_PAIRS, VALIDATION_PAIRS + TEST_PAIRS, VALIDATION_PAIRS + 2 * TEST_PAIRS)
    validation, test, ambiguous, train = (
        days[: ends[0]], days[ends[0] : ends[1]], days[ends[1] : ends[2]], days[ends[2] :]
    )  # fmt: skip
    numeric_pairs = round(TRAIN_PAIRS * NUMERIC_SHARE)
    training = _draw(generator, train, TRAIN_PAIRS - numeric_pairs, _draw_clear_form)
    training += _draw(generator, train, numeric_pairs, _draw_numeric_form)
    generator.shuffle(training)
    return DatesCorpus(
        train=tuple(training),
        validation=tuple(_draw(generator, validation, VALIDATION_PAIRS, _draw_clear_form)),
        test=tuple(_draw(generator, test, TEST_PAIRS, _draw_clear_form)),
        test_ambiguous=tuple(_draw(generator, ambiguous, AMBIGUOUS_TEST_PAIRS, _draw_numeric_form, fewest_readings=2)),
    )


def write_corpus(folder: Path, seed: int = SEED) -> dict[str, object]:
    """Write ``<split>.tsv`` for every split, and ``<split>.forms.tsv`` (locale, style) beside the test sets.

    Returns:
        A summary for people: counts, locales, versions.

    Raises:
        PublishingError: the disk is full or not writable.
    """
    corpus = make_corpus(seed)
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, pairs in corpus.splits().items():
        _write_rows(folder / f"{name}.tsv", ((pair.source, pair.target) for pair in pairs))
        if name.startswith("test"):
            _write_rows(folder / f"{name}.forms.tsv", ((pair.form.locale, pair.form.style) for pair in pairs))
    return {
        "seed": seed,
        "babel": babel.__version__,
        "cldr": get_cldr_version(),
        "locales": list(LOCALES),
        "pairs": {name: len(pairs) for name, pairs in corpus.splits().items()},
        "numeric_training_pairs": sum(pair.form in numeric_forms() for pair in corpus.train),
        "source_characters": len({character for pair in corpus.train for character in pair.source}),
        "folder": str(folder),
    }


def ensure_corpus(folder: Path) -> None:
    """Write the corpus unless all its files are there already.

    Raises:
        PublishingError: the disk is full or not writable.
    """
    splits = [field.name for field in fields(DatesCorpus)]
    names = [*splits, *(f"{split}.forms" for split in splits if split.startswith("test"))]
    if not all((folder / f"{name}.tsv").is_file() for name in names):
        write_corpus(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the corpus and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m examples.dates.corpus", description="Write the dates corpus.")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the files go")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed draws another corpus")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    options = parser.parse_args(arguments)
    try:
        summary = write_corpus(options.out, options.seed)
    except BeamscopeError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(summary, ensure_ascii=False) if options.json else _describe(summary))
    return 0


def _describe(summary: dict[str, object]) -> str:
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in summary.items())


def _numeric_patterns(locale: babel.Locale) -> tuple[tuple[str, str], ...]:
    return (
        ("short", locale.date_formats["short"].pattern),
        ("yMd", locale.datetime_skeletons["yMd"].pattern),
    )


def _distinct(forms: Iterable[Form]) -> tuple[Form, ...]:
    """The forms without a second one of equal locale and pattern."""
    by_pattern: dict[tuple[str, str], Form] = {}
    for form in forms:
        by_pattern.setdefault((form.locale, form.pattern), form)
    return tuple(by_pattern.values())


@cache
def _digits(locale: str) -> dict[int, str]:
    zero = ord(_ZERO_OF_NUMBERING_SYSTEM[babel.Locale.parse(locale).default_numbering_system])
    return {ord("0") + digit: chr(zero + digit) for digit in range(10)}


@cache
def _reader(pattern: str) -> re.Pattern[str]:
    literals = [re.escape(literal) for literal in _FIELD.split(pattern)]
    fields = [_FIELD_REGEX[name] for name in _FIELD.findall(pattern)]
    return re.compile("".join(a + b for a, b in zip(literals, [*fields, ""], strict=True)))


def _read(text: str, pattern: str) -> datetime.date | None:
    found = _reader(pattern).fullmatch(text)
    if found is None:
        return None
    day, month, year = (int(found[name]) for name in ("day", "month", "year"))
    if len(found["year"]) == 2:
        year += 1900 if 1900 + year >= FIRST_DAY.year else 2000
    try:
        date = datetime.date(year, month, day)
    except ValueError:  # the 31st of a shorter month
        return None
    return date if FIRST_DAY <= date <= LAST_DAY else None


def _draw_clear_form(generator: random.Random) -> Form:
    """A locale first, then one of its forms, so that every locale has an equal share."""
    locale = generator.choice(LOCALES)
    return generator.choice([form for form in clear_forms() if form.locale == locale])


def _draw_numeric_form(generator: random.Random) -> Form:
    """An order first, then one of its forms, so that both orders have an equal share."""
    month_first = generator.random() < 0.5
    return generator.choice([form for form in numeric_forms() if form.month_first == month_first])


def _draw(
    generator: random.Random,
    days: Sequence[datetime.date],
    count: int,
    draw_form: Callable[[random.Random], Form],
    fewest_readings: int = 0,
) -> list[DatePair]:
    """Draw ``count`` pairs, none twice; ``fewest_readings`` keeps numeric sources with that many readings."""
    pairs: dict[tuple[str, str], DatePair] = {}
    while len(pairs) < count:
        date, form = generator.choice(days), draw_form(generator)
        pair = DatePair(form.write(date), date.isoformat(), form)
        if not fewest_readings or len(numeric_readings(pair.source)) >= fewest_readings:
            pairs.setdefault((pair.source, pair.target), pair)
    return list(pairs.values())


def _write_rows(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    text = "".join("\t".join(row) + "\n" for row in rows)
    write_bytes_atomically(path, text.encode("utf-8"))


if __name__ == "__main__":
    sys.exit(main())
