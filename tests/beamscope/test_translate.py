"""`beamscope translate` on the dates model."""

import itertools
import json
import re
from pathlib import Path

import pytest
from pyarrow import parquet

from exported_models.contract.documents import TraceDocument
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from tests.beamscope.shell import Beamscope, Program, one_sentence

SOURCE = "March 3, 1999"
TARGET = "1999-03-03"


@pytest.fixture
def workspace(dates_workspace: Workspace) -> tuple[str, str]:
    """The option that names the workspace with the dates model."""
    return "--workspace", str(dates_workspace.root)


def test_the_text_shows_all_that_happened(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    outcome = beamscope("translate", "dates", SOURCE, "--beam", "3", "--top-k", "4", *workspace)

    assert (outcome.exit_code, outcome.stderr) == (0, "")
    best, n_best, steps = (part.splitlines() for part in outcome.stdout.split("\n\n"))
    assert best == [TARGET]
    assert len(n_best) == 1 + 3
    assert re.match(r"1  1999-03-03 ", n_best[1])
    assert len(steps) == 1 + len(TARGET) + 1
    assert "top 4" in steps[0]
    assert re.match(r" +0  1 +\d\.\d{4} .*\(\d+\)", steps[1])


def test_json_is_the_trace_of_the_engine(
    beamscope: Beamscope, workspace: tuple[str, str], dates_workspace: Workspace
) -> None:
    outcome = beamscope("translate", "dates", SOURCE, "--beam", "5", "--top-k", "5", "--json", *workspace)
    trace = Engine(dates_workspace).translate(Request("dates", SOURCE, beam_size=5, top_k=5))

    assert json.loads(outcome.stdout)["text"] == TARGET
    assert TraceDocument.model_validate_json(outcome.stdout) == TraceDocument.model_validate_json(
        TraceDocument.of(trace).to_json()
    )


def test_phrases_are_forbidden_everywhere_and_at_a_step(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    everywhere = beamscope("translate", "dates", SOURCE, "--forbid", "99", "--forbid", "98", "--json", *workspace)
    at_a_step = beamscope("translate", "dates", SOURCE, "--forbid-at", "3", "9", "--json", *workspace)

    texts = [one["text"] for one in json.loads(everywhere.stdout)["hypotheses"]]
    assert texts
    assert not [text for text in texts if "99" in text or "98" in text]
    found = json.loads(at_a_step.stdout)
    assert found["text"].startswith("199")
    assert found["text"] != TARGET
    assert found["request"]["forbidden"] == [{"tokens": ["9"], "step": 3}]


def test_a_phrase_that_the_model_cannot_write_is_named(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    outcome = beamscope("translate", "dates", SOURCE, "--forbid", "\u4e09", *workspace)

    assert outcome.exit_code == 1
    assert one_sentence(outcome.stderr).startswith("In the forbidden phrase: The character '\u4e09'")


def test_a_path_is_kept_beside_the_n_best_list(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    outcome = beamscope("translate", "dates", SOURCE, "--beam", "1", "--keep", "2001", *workspace)

    assert [line.split()[1] for line in outcome.stdout.splitlines() if "(kept beside)" in line] == ["2001-03-03"]
    assert re.search(
        r"^The beam lost 2 at step 0, 2: candidate 2, pruned because better ones filled the beam, \d+\.\d{4} behind",
        outcome.stdout,
        re.M,
    )


def test_a_prefix_is_forced(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    outcome = beamscope("translate", "dates", SOURCE, "--prefix", "2001", "--json", *workspace)

    assert json.loads(outcome.stdout)["text"].startswith("2001")


def test_rules_of_the_search_are_options(
    beamscope: Beamscope, workspace: tuple[str, str], dates_workspace: Workspace
) -> None:
    rules = ["--no-repeat-ngram", "2", "--no-source-ngram", "5", "--min-length", "14", "--repetition-penalty", "1.5"]
    asked = Request("dates", SOURCE, ngram_size=2, source_ngram_size=5, min_length=14, repetition_penalty=1.5)

    outcome = beamscope("translate", "dates", SOURCE, *rules, "--json", *workspace)
    tokens = json.loads(outcome.stdout)["tokens"]

    assert tuple(tokens) == Engine(dates_workspace).translate(asked).best.tokens
    assert len(tokens) >= 14
    assert len(set(itertools.pairwise(tokens))) == len(tokens) - 1


def test_attention_is_overridden_and_its_weights_are_joined(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    attend = ["--attend", "5:6=3", "--attend", "5:0", "--attend", "6:6"]
    outcome = beamscope("translate", "dates", SOURCE, *attend, "--json", *workspace)

    document = json.loads(outcome.stdout)
    row = document["attention"][5][0][0]
    assert (row[6], row[0]) == (0.75, 0.25)
    assert document["attention"][6][0][0][6] == 1.0
    assert document["request"]["prefix"] == list(TARGET[:5]) + document["tokens"][5:6]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((SOURCE, "--prefix", "x"), "In the prefix: The character 'x'"),
        ((SOURCE, "--prefix", "1" * 200, "--max-length", "20"), "200 tokens, more than the maximum length of 20"),
        ((SOURCE, "--attend", "99999:0"), "no attention step 99999"),
        ((SOURCE, "--ablate", "cross:1:0"), "no layer 1 in the cross-attention of dates"),
        ((SOURCE, "--ablate", "encoder:0:0"), "has no self-attention of the encoder"),
        ((SOURCE, "--attend", "0:99"), "no source position 99"),
        ((SOURCE, "--attend", "0:0=-1"), "attention weight -1.0"),
        ((SOURCE, "--attend", "0:0=nan"), "attention weight nan"),
        ((SOURCE, "--attend", "0:0=0"), "no weight above zero"),
        (("",), "is empty"),
        ((" \t",), "is empty"),
        (("1" * 5000,), "5,000 characters"),
        (("3\x1b[2J March",), "control character U+001B at position 2"),
        (("3\nMarch",), "control character U+000A"),
        (("3 \N{PARTY POPPER} 1999",), "U+1F389"),
        (("<script>alert(1)</script>",), "'<' (U+003C)"),
        (("Ω 3",), "'Ω' (U+03A9)"),
    ],
)
def test_what_cannot_be_translated_is_one_sentence(
    beamscope: Beamscope, workspace: tuple[str, str], options: tuple[str, ...], expected: str
) -> None:
    outcome = beamscope("translate", "dates", *options, *workspace)

    assert outcome.exit_code == 1
    assert outcome.stdout == ""
    assert expected in one_sentence(outcome.stderr)


@pytest.mark.parametrize(("value", "expected"), [("nan", "nan is not a number"), ("inf", "10.0"), ("-11", "10.0")])
def test_a_length_penalty_out_of_range_is_misuse(beamscope: Beamscope, value: str, expected: str) -> None:
    outcome = beamscope("translate", "dates", SOURCE, "--length-penalty", value)

    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert expected in one_sentence(outcome.stderr)


def test_an_unknown_model_lists_the_known_ones(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    assert "(known: dates)" in one_sentence(beamscope("translate", "date", SOURCE, *workspace).stderr)


def test_a_file_gives_a_line_for_a_line(beamscope: Beamscope, workspace: tuple[str, str], tmp_path: Path) -> None:
    sentences = tmp_path / "dates.txt"
    sentences.write_text(f"{SOURCE}\nApril 5, 2001\n", encoding="utf-8")

    outcome = beamscope("translate", "dates", "--file", str(sentences), *workspace)

    assert (outcome.exit_code, outcome.stdout) == (0, f"{TARGET}\n2001-04-05\n")


def test_a_line_that_fails_has_its_number_and_the_others_go_on(
    beamscope: Beamscope, workspace: tuple[str, str]
) -> None:
    outcome = beamscope("translate", "dates", "--file", "-", *workspace, stdin=f"{SOURCE}\n\n{SOURCE}".encode())

    assert (outcome.exit_code, outcome.stdout) == (1, f"{TARGET}\n\n{TARGET}\n")
    assert one_sentence(outcome.stderr).startswith("Line 2: ")


def test_json_lines_keep_the_order_of_the_file(beamscope: Beamscope, workspace: tuple[str, str]) -> None:
    stdin = SOURCE.encode() + b"\n\xff\n<\n" + SOURCE.encode()
    outcome = beamscope("translate", "dates", "--file", "-", "--json", *workspace, stdin=stdin)

    first, not_utf_8, markup, last = map(json.loads, outcome.stdout.splitlines())
    assert outcome.exit_code == 1
    assert first == last
    assert first["text"] == TARGET
    assert (not_utf_8["line"], markup["line"]) == (2, 3)
    assert "UTF-8" in not_utf_8["error"]
    assert "U+003C" in markup["error"]


def test_the_program_prints_any_script(program: Program, workspace: tuple[str, str]) -> None:
    outcome = program("translate", "dates", "1999年3月3日", "--json", *workspace)

    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert "年" in outcome.stdout


def test_tables_of_a_text_and_of_a_file_are_written(
    beamscope: Beamscope, workspace: tuple[str, str], tmp_path: Path
) -> None:
    one, many = tmp_path / "one.csv", tmp_path / "many.parquet"
    text = beamscope("translate", "dates", SOURCE, "--csv", str(one), "--table", "top_k", *workspace)
    lines = beamscope(
        "translate", "dates", "--file", "-", "--parquet", str(many), *workspace, stdin=f"{SOURCE}\n\n{SOURCE}\n"
    )

    assert (text.exit_code, lines.exit_code) == (0, 1)
    assert one.read_text(encoding="utf-8").startswith(
        "sentence,model_id,model_hash,source,hypothesis,step,chosen,rank,"
    )
    found = parquet.read_table(many).to_pydict()
    assert sorted(set(found["sentence"])) == [1, 3]
    assert set(found["text"]) >= {TARGET}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.parquet", "one.csv"]


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--csv", "absent/x.csv"), 1, "absent/x.csv cannot be written"),
        (("--csv", "x.csv", "--parquet", "x.parquet"), 2, "write either CSV or Parquet"),
    ],
)
def test_a_table_that_cannot_be_written_is_one_sentence(
    beamscope: Beamscope, workspace: tuple[str, str], options: tuple[str, ...], code: int, sentence: str
) -> None:
    outcome = beamscope("translate", "dates", SOURCE, *options, *workspace)

    assert outcome.exit_code == code
    assert sentence in one_sentence(outcome.stderr)
