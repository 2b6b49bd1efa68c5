"""``polyreel score``, ``eval`` and ``report`` from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from polyreel.cli.app import main
from polyreel.datasets.registry import DATASETS
from polyreel.encoders.runtime import Bundle
from tiny_bundle import PALETTE
from videos import solid, write_video

CONTRACT = {"n_queries", "gallery", "r@1", "r@5", "r@10", "median_rank", "mean_rank", "mrr", "ci95"}


def _ask(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def _matrix(folder: Path, similarity: np.ndarray, truth: object) -> tuple[Path, Path]:
    np.save(folder / "sim.npy", similarity)
    (folder / "truth.json").write_text(json.dumps(truth))
    return folder / "sim.npy", folder / "truth.json"


def test_a_constant_matrix_scores_a_thousandth(tmp_path, capsys):
    similarity, truth = _matrix(tmp_path, np.zeros((1000, 1000), np.float32), [[i] for i in range(1000)])
    code, out, _ = _ask(capsys, "score", similarity, "--truth", truth, "--json")
    document = json.loads(out)
    assert code == 0
    assert set(document) >= CONTRACT
    assert document["r@1"] == pytest.approx(0.1)
    assert document["mean_rank"] == 500.5


def test_a_table_is_printed_for_people(tmp_path, capsys):
    similarity, truth = _matrix(tmp_path, np.eye(20), [[i] for i in range(20)])
    code, out, _ = _ask(capsys, "score", similarity, "--truth", truth)
    assert code == 0
    assert "r@1" in out
    assert "95% interval" in out


def test_what_no_terminal_shows_is_not_wrapped(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["data", "list"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 1 + len(DATASETS)
    assert max(map(len, rows)) > 80


@pytest.mark.parametrize(
    ("similarity", "truth", "message"),
    [
        (np.where(np.arange(25).reshape(5, 5) == 7, np.nan, 0.5), [[i] for i in range(5)], "rows 1"),
        (np.zeros((5, 5)), [[0], [1], [], [3], [4]], "rows 2"),
        (np.zeros((5, 5)), [[0], [1], [5], [3], [4]], "rows 2"),
        (np.zeros((5, 5)), [[0], [1]], "disagree"),
        (np.zeros((5, 5), int), [[i] for i in range(5)], "floating point"),
        (np.zeros(5), [[i] for i in range(5)], "must be a matrix"),
        (np.zeros((5, 5)), {"0": [0]}, "must be a list"),
        (np.zeros((5, 5)), [["a"], [1], [2], [3], [4]], "row 0"),
        (np.array([[{}]], dtype=object), [[0]], "not a .npy file of numbers"),
    ],
    ids=["nan", "empty", "outside", "shape", "integers", "flat", "dict", "words", "pickle"],
)
def test_bad_input_is_one_message_that_names_the_rows(tmp_path, capsys, similarity, truth, message):
    paths = _matrix(tmp_path, similarity, truth)
    code, out, err = _ask(capsys, "score", paths[0], "--truth", paths[1], "--json")
    assert code == 2
    assert message in json.loads(out)["error"]["message"]
    assert "Traceback" not in err


def test_files_that_are_not_there_are_named(tmp_path, capsys):
    code, _, err = _ask(capsys, "score", tmp_path / "a.npy", "--truth", tmp_path / "b.json")
    assert code == 2
    assert "a.npy" in err.replace("\n", "")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "my-clips"
    folder.mkdir()
    lines = []
    for name, german in (("red", "rot"), ("green", "grün"), ("blue", "blau")):
        write_video(folder / f"{name}.mp4", seconds=1, picture=solid(PALETTE[name]))
        caption = {"en": [name], "de": [german]}
        lines.append(json.dumps({"id": name, "media": f"{name}.mp4", "caption": caption}))
    (folder / "items.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_two_bundles_are_compared_on_ones_own_clips(clips, capsys, tiny_bundle, other_bundle):
    asked = ("bundles", "compare", other_bundle.folder, tiny_bundle.folder, "--benchmark", "folder")
    code, out, _ = _ask(capsys, *asked, "--data", clips, "--json")
    document = json.loads(out)
    assert code == 0
    assert [bundle["name"] for bundle in document["bundles"]] == ["tiny", "other"]
    rows = {row["language"]: row for row in document["comparison"]["rows"]}
    assert rows["en"]["difference"] == rows["mean"]["difference"] == 0
    assert all(bundle["pictures_per_s"] > 0 for bundle in document["bundles"])


def test_ones_own_clips_are_measured_kept_and_reported(clips, tmp_path, capsys, tiny_bundle: Bundle):
    asked = ("eval", "folder", "--bundle", tiny_bundle.folder, "--data", clips, "--out", tmp_path / "results")
    code, out, _ = _ask(capsys, *asked, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["languages"]["de"]["metrics"]["r@1"]["value"] == 100
    kept = tmp_path / "results" / "folder-tiny.json"
    assert json.loads(kept.read_text()) == document

    code, out, _ = _ask(capsys, *asked, "--rerun", "only-missing", "--json")
    assert (code, json.loads(out)) == (0, document)  # the same, to the microsecond that it took

    assert document.pop("sampling") == "near"
    kept.write_text(json.dumps(document | {"took_s": -1.0}))  # of a polyreel that took pictures otherwise
    code, out, _ = _ask(capsys, *asked, "--rerun", "only-missing", "--json")
    assert json.loads(out)["took_s"] > 0

    code, out, _ = _ask(capsys, *asked, "--rerun", "only-missing")
    assert "Transfer gap in r@1: undecided, with 3 queries in a language." in " ".join(out.split())

    (clips / "items.jsonl").unlink()
    code, _, err = _ask(capsys, *asked)
    assert code == 1
    assert "items.jsonl" in err

    page = tmp_path / "report.html"
    code, _, _ = _ask(capsys, "report", kept, "--out", page)
    assert code == 0
    assert "folder" in page.read_text()


def test_a_result_that_must_not_be_measured_again_has_to_be_there(clips, tmp_path, capsys, tiny_bundle):
    asked = ("eval", "folder", "--bundle", tiny_bundle.folder, "--data", clips, "--rerun", "never")
    code, _, err = _ask(capsys, *asked, "--out", tmp_path / "results")
    assert code == 1
    assert "no such result" in err
    code, _, err = _ask(capsys, *asked)
    assert code == 2
    assert "--rerun needs --out" in err


def test_benchmarks_are_listed_with_what_they_are(capsys):
    code, out, _ = _ask(capsys, "eval", "--json")
    assert code == 0
    assert {"demo", "msrvtt-dev-9", "xnli", "folder"} <= {card["name"] for card in json.loads(out)}
    code, out, _ = _ask(capsys, "eval")
    assert "msrvtt-dev-9" in out


def test_an_unknown_benchmark_or_bundle_is_bad_usage(capsys):
    for asked in (("eval", "demoo"), ("eval", "demo", "--bundle", "smal")):
        code, _, err = _ask(capsys, *asked)
        assert code == 2
        assert "Did you mean" in err


def test_a_matrix_as_text_says_how_it_becomes_one(tmp_path, capsys):
    (tmp_path / "sim.csv").write_text("0.1,0.2\n")
    code, _, err = _ask(capsys, "score", tmp_path / "sim.csv", "--truth", tmp_path / "truth.json")
    assert code == 2
    assert "numpy.loadtxt('sim.csv', delimiter=',')" in err


def test_data_that_are_fetched_need_no_folder(tmp_path, capsys):
    code, _, err = _ask(capsys, "eval", "demo", "--data", tmp_path / "no")
    assert code == 1
    assert "Leave --data out" in err
    assert "Nothing to do" not in err
