"""Files that are not as they should be: each gets a message with its file and line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pydantic import TypeAdapter
from written import fails, write

from polyreel.datasets import reading
from polyreel.datasets.how2.scanning import scan
from polyreel.datasets.readers.multinli import read_multinli
from polyreel.datasets.readers.xnli import read_xnli
from polyreel.datasets.strict_json import parse, parse_lines
from polyreel.problems import Problems

PAIRS = TypeAdapter(dict[str, list[int]])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": [1],\n "b": [1', ["no JSON", "a.json", "line 2, column 9"]),
        ('{"a": [1], "b": [2], "a": [3]}', ["occurs twice", "a.json", "a"]),
        ('{"a": [1, "x"]}', ["not as it should be", "a.json", "a.1"]),
        ("[" * 100_000, ["nested too deeply", "a.json"]),
        ("", ["no JSON", "a.json"]),
        ('{"a": [NaN]}', ["not as it should be", "a.json", "a.0"]),
    ],
    ids=["cut short", "a key twice", "of another kind", "deep", "empty", "not a number"],
)
def test_json_says_what_is_wrong_and_where(tmp_path, content, said):
    write(tmp_path, {"a.json": content})
    fails(lambda: parse(tmp_path / "a.json", PAIRS), *said)
    write(tmp_path, {"a.jsonl": '{"a": [1]}\n' + content.replace("\n", "")})
    if content:
        fails(lambda: parse_lines(tmp_path / "a.jsonl", PAIRS), "a.jsonl, line 2", said[0])


def test_a_mark_and_windows_line_ends_change_nothing(tmp_path):
    write(
        tmp_path,
        {"a.json": b'\xef\xbb\xbf{"a": [1],\r\n"b": [2]}\r\n', "b.jsonl": b'\xef\xbb\xbf{"a": [1]}\r\n'},
    )
    assert parse(tmp_path / "a.json", PAIRS) == {"a": [1], "b": [2]}
    assert parse_lines(tmp_path / "b.jsonl", PAIRS) == [{"a": [1]}]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_a_list_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(reading, "_MAX_BYTES", 1 << 20)
    write(tmp_path, {name: " " * (1 << 20) + "{}"})
    fails(lambda: parse(tmp_path / name, PAIRS), "too large", name, "over 1 MiB")


COLUMNS = ["language", "gold_label", "sentence1", "sentence2", "promptID", "pairID", "genre"]
LABELS = ("entailment", "neutral", "contradiction")


def xnli_rows(end="\n"):
    rows = [["en", label, 'a "red dog', f"it's {label}", "p", str(n), "g"] for n, label in enumerate(LABELS)]
    return "".join("\t".join(row) + end for row in [COLUMNS, *rows])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_quotes_marks_and_line_ends_of_xnli(tmp_path, end, mark):
    write(tmp_path, {"xnli.dev.tsv": mark + xnli_rows(end).encode()})
    (premise,) = read_xnli(tmp_path)
    assert premise.premise == {"en": 'a "red dog'}
    assert premise.hypotheses["contradiction"] == {"en": "it's contradiction"}


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("xnli.dev.tsv", "en\tentailment\tfive\tcells\tonly", ["tsv, line 5"]),
        ("xnli.dev.tsv", b"\xff\xfe", ["not UTF-8", "tsv, line 5"]),
        ("xnli.dev.tsv", "x" * (1 << 20), ["longer than", "tsv, line 5"]),
        ("xnli.dev.jsonl", '{"promptID": "p", "promptID": "q"}', ["jsonl, line 1", "promptID"]),
        ("xnli.dev.jsonl", '{"promptID": "p"', ["jsonl, line 1"]),
        ("xnli.dev.jsonl", "[1]", ["jsonl, line 1", "no object"]),
        (
            "xnli.dev.jsonl",
            json.dumps(
                {
                    **dict.fromkeys(["promptID", "pairID", "genre", "gold_label"], "x"),
                    "premise": {},
                    "hypothesis": 1,
                }
            ),
            ["jsonl, line 1"],
        ),
    ],
)
def test_a_line_that_is_none_of_xnli_is_named(tmp_path, name, line, said):
    before = xnli_rows().encode() if name.endswith("tsv") else b""
    write(tmp_path, {name: before + (line if isinstance(line, bytes) else line.encode())})
    fails(lambda: read_xnli(tmp_path), *said)


def test_a_line_of_multinli_without_an_end_is_named(tmp_path):
    write(tmp_path, {"multinli.train.en.tsv": "premise\thypo\tlabel\n" + "x" * (1 << 20)})
    fails(lambda: list(read_multinli(tmp_path, Problems())), "longer than", "en.tsv, line 2")


_LIMITED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_DATA, (1_500 << 20,) * 2)
from polyreel.datasets.registry import find_dataset
from polyreel.problems import Problems
from polyreel.datasets.how2 import scan
from polyreel.errors import PolyreelError
name, folder = sys.argv[1], Path(sys.argv[2])
try:
    if name == "how2":
        problems = Problems()
        print(len(list(scan(folder / "how2_en.json", problems))), *problems.examples)
    else:
        print(len(list(find_dataset(name).records(folder))))
except PolyreelError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "begins", "said"),
    [
        (
            "how2",
            "how2_en.json",
            '{"a": {"text": ["x"], "start": [0], "end": [1]}, "b": {"text": ["',
            "1 an entry has no end",
        ),
        ("folder", "captions.jsonl", '{"media": "', "too large"),
        ("msrvtt", "MSRVTT_data.json", '{"videos": "', "too large"),
    ],
)
def test_a_line_of_three_gigabytes_costs_neither_the_memory_nor_an_hour(tmp_path, name, file, begins, said):
    path = tmp_path / file
    with path.open("wb") as written:
        written.write(begins.encode())
        written.truncate(3 << 30)  # a file with a hole: it reads as zeros and takes no space
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, name, str(tmp_path)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert file in done.stdout


def test_scanning_names_line_and_byte(tmp_path):
    write(tmp_path, {"how2_en.json": '{"a": {"text": [], "start": [], "end": []},\n"b": {"text": ["x'})
    problems = Problems()
    assert [entry.key for entry in scan(tmp_path / "how2_en.json", problems)] == ["a"]
    assert "how2_en.json, line 2, byte 44 (after video a)" in str(problems.examples[0])
