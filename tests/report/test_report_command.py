"""``polyreel report`` from files to files: what it writes and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up import make_card, make_result

from polyreel.cli.app import main
from polyreel.evaluation.results import Result


@pytest.fixture
def keep(tmp_path: Path):
    def write(result: Result, name: str) -> str:
        path = tmp_path / name
        path.write_text(result.model_dump_json(indent=1), encoding="utf-8")
        return str(path)

    return write


def test_page(keep, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.html"
    files = [keep(make_result(), "a.json"), keep(make_result("large", seed=1), "b.json")]
    assert main(["report", *files, "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "2 results" in captured.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json", "report.html"]


def test_json_document(keep, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [keep(make_result(), "a.json"), keep(make_result("large", skill=0.8, seed=1), "b.json")]
    assert main(["report", *files, "--format", "latex", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert "\\toprule" in document["text"]
    (benchmark,) = document["benchmarks"]
    assert benchmark["systems"] == ["small (00000000)", "large (00000001)"]
    (comparison,) = benchmark["comparisons"]
    assert comparison["rows"][0]["difference"] > 0

    out = tmp_path / "r.html"
    assert main(["report", *files, "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["out"] == str(out)
    assert "text" not in document


def test_tables_go_to_stdout(keep, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", keep(make_result(), "a.json"), "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("## made-up\n")


def test_the_ending_of_a_file_says_its_format(keep, tmp_path: Path) -> None:
    for name, begins in (("r.htm", "<!doctype html"), ("r.md", "## made-up"), ("r.tex", "%")):
        assert main(["report", keep(make_result(), "a.json"), "--out", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text().lower().startswith(begins)


def test_two_galleries_are_reported_and_not_compared(keep, capsys: pytest.CaptureFixture[str]) -> None:
    files = [keep(make_result(), "a.json"), keep(make_result(gallery=999), "b.json")]
    assert main(["report", *files, "--format", "markdown"]) == 0
    assert "gallery of 120 against 999" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a result of this version"),
        (b"not json", "not a result of this version"),
        (b"\xff\xfe\x00", "not a result of this version"),
        (b"[]", "not a result of this version"),
        (b"[" * 100_000, "not a result of this version"),
        (b'{"r@1": 5}', "not a result of this version"),
        (
            make_result().model_dump_json().replace('"schema_version":1', '"schema_version":2').encode(),
            "schema_version",
        ),
        (make_result().model_dump_json().replace('"seed":0', '"seed":0,"more":1').encode(), "more"),
        (
            make_result().model_dump_json().replace('"n_queries":120', '"n_queries":119').encode(),
            "contradicts itself",
        ),
    ],
)
def test_a_file_that_is_no_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    assert main(["report", str(path), "--out", str(tmp_path / "r.html")]) == 1
    message = capsys.readouterr().err
    assert said in message
    assert "odd.json" in message.replace("\n", "")
    assert not (tmp_path / "r.html").exists()


def test_bad_usage(keep, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = keep(make_result(), "a.json")
    for arguments, said, code in (
        ([good], "needs a file", 2),
        ([good, "--out", str(tmp_path)], "is a folder", 2),
        ([good, "--out", str(tmp_path / "no" / "r.html")], "no folder", 2),
        ([good, "--out", "r.pdf", "--format", "pdf"], "pdf", 2),
        ([good, "--out", "r.pdf"], "does not say its format: r.pdf (.pdf). end it in .html, .md or .tex", 2),
        ([good, "--out", "r.md", "--format", "html"], "end the name in .html, or leave out --format", 2),
        ([], "results", 2),
        ([str(tmp_path / "none.json"), "--out", str(tmp_path / "r.html")], "cannot be read", 1),
        ([str(tmp_path), "--out", str(tmp_path / "r.html")], "cannot be read", 1),
    ):
        assert main(["report", *arguments]) == code, arguments
        assert said in capsys.readouterr().err.lower(), arguments


def test_a_report_that_fails_leaves_the_old_one(keep, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("old")
    bad = make_result(card=make_card()).model_copy(update={"macro": {}})
    assert main(["report", keep(bad, "bad.json"), "--out", str(out)]) == 1
    assert out.read_text() == "old"
