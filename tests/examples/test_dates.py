"""The dates corpus is what its card says, and the shipped checkpoint reads it."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from babel.dates import format_date
from hypothesis import given
from hypothesis import strategies as st

from examples.dates import evaluate, train
from examples.dates.batches import (
    build_vocabulary,
    decode_targets,
    encode_sources,
    encode_targets,
    number_tokens,
)
from examples.dates.corpus import (
    FIRST_DAY,
    LAST_DAY,
    LOCALES,
    DatesCorpus,
    Form,
    clear_forms,
    ensure_corpus,
    main,
    make_corpus,
    numeric_forms,
    numeric_readings,
    write_corpus,
)
from examples.dates.evaluate import CHECKPOINT, translate
from pipeline.corpus.readers import TsvReader
from pipeline.models.luong import LuongCheckpoint, load_checkpoint

ROOT = Path(__file__).parents[2]
_DATES = st.dates(FIRST_DAY, LAST_DAY)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def corpus() -> DatesCorpus:
    return make_corpus()


@pytest.fixture(scope="module")
def checkpoint() -> LuongCheckpoint:
    return load_checkpoint(CHECKPOINT)


def test_the_splits_have_the_promised_sizes(corpus: DatesCorpus) -> None:
    counts = {name: len(pairs) for name, pairs in corpus.splits().items()}
    assert counts == {"train": 30_000, "validation": 2_000, "test": 2_000, "test_ambiguous": 500}


def test_no_two_splits_share_a_calendar_date(corpus: DatesCorpus) -> None:
    dates = [{pair.target for pair in pairs} for pairs in corpus.splits().values()]
    assert len(set.union(*dates)) == sum(map(len, dates))


def test_no_pair_is_in_a_split_twice(corpus: DatesCorpus) -> None:
    for pairs in corpus.splits().values():
        assert len({(pair.source, pair.target) for pair in pairs}) == len(pairs)


def test_targets_are_the_dates_that_sources_were_written_from(corpus: DatesCorpus) -> None:
    for pairs in corpus.splits().values():
        for pair in pairs:
            assert pair.form.write(datetime.date.fromisoformat(pair.target)) == pair.source


def test_every_locale_and_form_is_in_every_clear_split(corpus: DatesCorpus) -> None:
    assert len(LOCALES) >= 10
    for pairs in (corpus.train, corpus.validation, corpus.test):
        assert {pair.form for pair in pairs} >= set(clear_forms())
        assert {pair.form.locale for pair in pairs} >= set(LOCALES)


def test_many_scripts_are_among_them(corpus: DatesCorpus) -> None:
    characters = {character for pair in corpus.train for character in pair.source if character.isalpha()}
    scripts = {unicodedata.name(character).split()[0] for character in characters}
    assert scripts >= {
        "LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC", "DEVANAGARI", "BENGALI", "THAI", "CJK", "HANGUL",
    }  # fmt: skip


def test_digits_are_those_of_the_locale(corpus: DatesCorpus) -> None:
    for locale, zero in {"ar_EG": "٠", "bn": "০", "hi": "0", "th": "0", "de": "0"}.items():
        texts = "".join(pair.source for pair in corpus.train if pair.form.locale == locale)
        assert {character for character in texts if character.isdecimal()} == {
            chr(ord(zero) + digit) for digit in range(10)
        }


def test_sources_hold_no_character_that_nobody_types(corpus: DatesCorpus) -> None:
    for pairs in corpus.splits().values():
        characters = {character for pair in pairs for character in pair.source}
        assert {c for c in characters if unicodedata.category(c)[0] in "CZ"} <= {" "}


def test_a_clear_text_has_one_reading() -> None:
    """No other date is written like a day of one leap year: none of that year, no first of a month of any year."""
    days = [FIRST_DAY + datetime.timedelta(offset) for offset in range((LAST_DAY - FIRST_DAY).days + 1)]
    whole_year = [day for day in days if day.year == 2012]
    others = [day for day in days if day.day == 1]
    readings: dict[str, set[datetime.date]] = defaultdict(set)
    for day in (*whole_year, *others):
        for form in (*clear_forms(), *numeric_forms()):
            readings[form.write(day)].add(day)
    texts = [form.write(day) for form in clear_forms() for day in whole_year]
    assert [text for text in texts if len(readings[text]) != 1] == []


def test_an_ambiguous_text_has_two_readings(corpus: DatesCorpus) -> None:
    for pair in corpus.test_ambiguous:
        dates = numeric_readings(pair.source)
        assert len(dates) == 2
        assert datetime.date.fromisoformat(pair.target) in dates


@given(date=_DATES, form=st.sampled_from(numeric_forms()))
def test_readings_are_exactly_the_dates_that_are_written_so(date: datetime.date, form: Form) -> None:
    text = form.write(date)
    readings = numeric_readings(text)
    assert date in readings
    for reading in readings:
        assert text in {each.write(reading) for each in numeric_forms()}


def test_the_ambiguous_slice_is_small_and_has_both_orders(corpus: DatesCorpus) -> None:
    numeric = [pair for pair in corpus.train if pair.form in numeric_forms()]
    assert len(numeric) == 900
    for pairs in (numeric, corpus.test_ambiguous):
        share = sum(pair.form.month_first for pair in pairs) / len(pairs)
        assert 0.4 < share < 0.6
    assert not [pair for pair in (*corpus.validation, *corpus.test) if pair.form in numeric_forms()]


def test_forms_are_what_cldr_writes() -> None:
    date = datetime.date(1999, 3, 4)
    for form in clear_forms():
        if form.locale in ("en", "de", "ru", "ja", "th"):
            written = format_date(date, form.style, locale=form.locale)
            assert form.write(date) == written.replace("\u202f", " ").replace("\u00a0", " ")


def test_equal_seeds_write_equal_bytes_and_others_do_not(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        write_corpus(tmp_path / name, seed)
    one, two, three = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two", "three")
    )
    assert one == two
    assert one["train.tsv"] != three["train.tsv"]


def test_the_command_writes_files_that_the_reader_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    for name, count in summary["pairs"].items():
        assert len(TsvReader(tmp_path / f"{name}.tsv")) == count
    assert [pair.source for pair in TsvReader(tmp_path / "test.forms.tsv")][:5] == [
        pair.form.locale for pair in make_corpus().test[:5]
    ]


def test_writing_the_corpus_needs_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from examples.dates.corpus import main; "
        "code = main(['--out', sys.argv[1]]); sys.exit(code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True, cwd=ROOT)


def test_a_corpus_is_written_once_and_completed_when_a_file_is_missing(tmp_path: Path) -> None:
    ensure_corpus(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    ensure_corpus(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    (tmp_path / "test.forms.tsv").unlink()
    ensure_corpus(tmp_path)
    assert set(tmp_path.iterdir()) == set(before)


def test_the_command_says_in_one_line_that_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@given(texts=st.lists(st.text("0123456789-", min_size=1, max_size=12), min_size=1, max_size=5))
def test_targets_come_back_from_their_ids(texts: list[str]) -> None:
    vocabulary = build_vocabulary(["0123456789-"])
    fed, expected = encode_targets(texts, number_tokens(vocabulary))
    assert decode_targets(expected, vocabulary) == texts
    assert fed.shape == expected.shape


def test_unseen_characters_become_unknown_and_sources_end() -> None:
    vocabulary = build_vocabulary(["ab"])
    ids, mask = encode_sources(["a?", "b"], number_tokens(vocabulary))
    assert ids.tolist() == [[4, 3, 2], [5, 2, 0]]
    assert mask.tolist() == [[True, True, True], [True, True, False]]


def test_the_shipped_checkpoint_is_right_on_held_out_dates(checkpoint: LuongCheckpoint, corpus: DatesCorpus) -> None:
    sample = corpus.test[:400]
    texts = translate(checkpoint, [pair.source for pair in sample])
    assert sum(text == pair.target for text, pair in zip(texts, sample, strict=True)) >= 398


def test_the_shipped_checkpoint_mostly_gives_an_ambiguous_date_one_of_its_readings(
    checkpoint: LuongCheckpoint, corpus: DatesCorpus
) -> None:
    sample = corpus.test_ambiguous[:100]
    texts = translate(checkpoint, [pair.source for pair in sample])
    plausible = [
        text in {date.isoformat() for date in numeric_readings(pair.source)}
        for text, pair in zip(texts, sample, strict=True)
    ]
    assert sum(plausible) >= 50


def test_the_shipped_checkpoint_fits_the_corpus_and_is_small(checkpoint: LuongCheckpoint, corpus: DatesCorpus) -> None:
    assert checkpoint.source_vocabulary == build_vocabulary(pair.source for pair in corpus.train)
    assert checkpoint.target_vocabulary == build_vocabulary(pair.target for pair in corpus.train)
    assert sum(path.stat().st_size for path in CHECKPOINT.iterdir()) <= 3_000_000


@pytest.mark.parametrize("command", [evaluate.main, train.main])
def test_the_recipe_says_in_one_line_that_it_cannot_write(
    command: Callable[[list[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    out = ["--out", str(tmp_path / "checkpoint")] if command is train.main else []
    assert command(["--data", str(tmp_path / "file"), *out]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_evaluation_reports_both_test_sets_and_every_locale(
    corpus: DatesCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_corpus(tmp_path)
    for split, pairs in (("test", corpus.test[:60]), ("test_ambiguous", corpus.test_ambiguous[:20])):
        rows = "".join(f"{pair.source}\t{pair.target}\n" for pair in pairs)
        (tmp_path / f"{split}.tsv").write_text(rows, "utf-8")
        forms = "".join(f"{pair.form.locale}\t{pair.form.style}\n" for pair in pairs)
        (tmp_path / f"{split}.forms.tsv").write_text(forms, "utf-8")
    assert evaluate.main(["--data", str(tmp_path), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["test"]["pairs"] == sum(part["pairs"] for part in scores["test"]["locales"].values()) == 60
    assert scores["test"]["percent"] > 98
    assert evaluate.main(["--data", str(tmp_path)]) == 0
    assert "test ambiguous" in capsys.readouterr().out


def test_training_learns_from_the_corpus_and_saves_what_it_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A few pairs, learned by heart: the recipe's whole way, small."""
    write_corpus(tmp_path)
    rows = (tmp_path / "train.tsv").read_text("utf-8").splitlines(keepends=True)[:8]
    for name in ("train", "validation"):
        (tmp_path / f"{name}.tsv").write_text("".join(rows), "utf-8")
    out = tmp_path / "checkpoint"
    assert train.main(["--data", str(tmp_path), "--out", str(out), "--epochs", "60"]) == 0
    assert "validation: 100.00% exactly right" in capsys.readouterr().out
    assert set(load_checkpoint(out).source_vocabulary) >= set(rows[0].split("\t")[0])
