"""``polyreel data`` from the command line."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from polyreel.cli.app import main
from polyreel.datasets.registry import DATASETS
from polyreel.datasets.store.table import open_table
from polyreel.media.jpeg import encode_jpeg
from tiny_bundle import PALETTE


def ask(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A dataset in the layout of imagenet-1000: two classes and a photo that is not there."""
    folder = tmp_path / "photos"
    folder.mkdir()
    with zipfile.ZipFile(folder / "images.zip", "w") as packed:
        for name in ("red", "blue"):
            packed.writestr(f"{name}.jpg", encode_jpeg(np.full((24, 24, 3), PALETTE[name], np.uint8)))
    rows = [f"{n}\tn0{n}\ta {name} surface\t{name}.jpg\n" for n, name in enumerate(["red", "blue", "gone"])]
    (folder / "labels.tsv").write_text("".join(rows))
    return folder


def test_the_list_shows_what_there_is_and_how_to_have_it(capsys):
    code, out, _ = ask(capsys, "data", "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert rows.keys() == DATASETS.keys()
    assert rows["stamps"]["can_be_fetched"] is True
    assert rows["stamps"]["fetched"] is False
    assert "captions.<tag>.json" in rows["msrvtt"]["remedy"]
    code, out, _ = ask(capsys, "data", "list")
    assert (code, "can be fetched" in out) == (0, True)


def test_a_table_is_built_checked_and_gets_features(photos, tmp_path, capsys, tiny_bundle):
    out_folder = tmp_path / "table"
    asked = ("data", "build", "imagenet-1000", "--from", photos, "--out", out_folder)
    code, out, err = ask(capsys, *asked, "--features", tiny_bundle.folder, "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["clips"] == {"train": 2}
    assert document["captions"] == {"train": {"en": 2}}
    assert document["left_out"] == [{"reason": "no picture", "count": 1, "examples": ["gone.jpg"]}]
    assert document["count_differences"] == ["train: 2 clips, 1,000 published"]
    (name,) = document["features"]
    assert document["features"][name] == {"dim": 3, "rate_hz": None, "clips": 2, "broken": 0}
    assert len(open_table(out_folder).features(name).of(1)) == 1

    code, out, _ = ask(capsys, *asked)  # again, for people; the features stay
    assert code == 0
    assert f"Features {name}: 2 of 3 numbers for 2 clips." in out
    assert "Not as published: train: 2 clips, 1,000 published." in out

    assert (
        ask(capsys, "data", "features", out_folder, "--bundle", tiny_bundle.folder, "--workers", "2")[0] == 2
    )
    code, out, _ = ask(capsys, "data", "features", out_folder, "--bundle", tiny_bundle.folder, "--json")
    assert (code, json.loads(out)["features"]) == (0, document["features"])

    code, out, _ = ask(capsys, "data", "check", out_folder, "--json")
    document = json.loads(out)
    assert (code, document["broken"]) == (0, False)
    assert document["media"]["decoded"] == 2
    assert {source["licence"] for source in document["sources"]} == {DATASETS["imagenet-1000"].licence}
    code, out, _ = ask(capsys, "data", "check", out_folder)
    assert "Nothing is broken." in out
    assert "ImageNet: research use" in out


def test_something_broken_is_exit_code_one(photos, tmp_path, capsys):
    ask(capsys, "data", "build", "imagenet-1000", "--captions", photos, "--out", tmp_path / "table")
    (photos / "images.zip").unlink()
    code, out, _ = ask(capsys, "data", "check", tmp_path / "table")
    assert code == 1
    assert "broken: 2 clips name pictures or videos that are not there" in out
    assert "n00@0000000000" in out
    assert "Something is broken." in out


def test_a_fetched_dataset_is_checked_by_its_name(photos, capsys, monkeypatch, cache):
    told = []

    def fetch(folder, progress):
        told.append(folder)
        progress("photos.zip", 10, 10)
        return photos

    row = DATASETS["imagenet-1000"]
    fetchable = type(row)(**{name: getattr(row, name) for name in row.__slots__} | {"fetch": fetch})
    monkeypatch.setitem(DATASETS, "imagenet-1000", fetchable)
    code, _, err = ask(capsys, "data", "check", "imagenet-1000")
    assert (code, "polyreel data fetch imagenet-1000" in err) == (1, True)
    code, out, _ = ask(capsys, "data", "fetch", "imagenet-1000", "--json")
    assert code == 0
    assert told == [cache / "corpora"]
    assert json.loads(out)[0]["folder"] == str(cache / "tables" / "imagenet-1000")
    code, out, _ = ask(capsys, "data", "list", "--json")
    assert [row["name"] for row in json.loads(out) if row["fetched"]] == ["imagenet-1000"]
    assert ask(capsys, "data", "check", "imagenet-1000", "--sample", 0)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("fetch",), 2, "no dataset is named"),
        (("fetch", "stamps", "emojy"), 2, "Did you mean 'emoji'?"),
        (("fetch", "vatex"), 2, "cannot be fetched"),
        (("build", "vtex", "--out", "t"), 2, "Did you mean 'vatex'?"),
        (("build", "vatex", "--from", "nowhere", "--out", "t"), 1, "no such folder"),
        (("build", "vatex", "--from", ".", "--out", "t"), 1, "vatex_validation_v1.0.json"),
        (("build", "emoji", "--from", ".", "--out", "t"), 1, "emoji-datasource-google"),
        (("check", "vatex"), 1, "polyreel data build vatex --from DIR"),
        (("check", "stmps"), 2, "Did you mean 'stamps'?"),
        (("check", "./nothing"), 1, "no table of a dataset is here"),
        (("check", ".", "--sample", "-1"), 2, "--sample"),
    ],
)
def test_bad_usage_is_one_message(tmp_path, capsys, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    found, out, err = ask(capsys, "data", *arguments, "--json")
    assert found == code
    assert said in json.loads(out)["error"]["message"]
    assert "Traceback" not in err
    assert not (tmp_path / "t" / "manifest.json").exists()


def test_the_real_key_frames(shared_data, tmp_path, capsys):
    asked = ("data", "build", "msrvtt-frames", "--from", shared_data / "msrvtt-frames", "--out", tmp_path)
    code, out, _ = ask(capsys, *asked)
    assert code == 0
    assert "Left out: 132, cut from the same source as a video of the standard test set." in out
    assert ask(capsys, "data", "check", tmp_path, "--sample", 20)[0] == 0
