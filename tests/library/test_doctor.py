"""What the library says of itself."""

from __future__ import annotations

import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from films import film, index_films, open_library, subtitles
from polyreel.cli.app import main
from polyreel.encoders import devices
from polyreel.encoders.runtime import Bundle
from polyreel.errors import LibraryError
from polyreel.library.search import searched_vectors as searched
from polyreel.library.store.doctor import examine
from polyreel.library.store.state import read_state, write_state
from polyreel.library.store.store import writing


@pytest.fixture
def library(tmp_path, tiny_bundle):
    bundle = Bundle(Path(shutil.copytree(tiny_bundle.folder, tmp_path / "tiny")))
    film(tmp_path / "videos" / "a.mp4", "red", "blue", each_s=3)
    film(tmp_path / "videos" / "b.mp4", "green")
    shutil.copy(tmp_path / "videos" / "b.mp4", tmp_path / "videos" / "c.mp4")
    (tmp_path / "videos" / "d.mp4").write_text("no video")
    subtitles(tmp_path / "videos" / "a.srt", (0, 1, "one"), (1, 2, "two"))
    index_films(tmp_path / "videos", tmp_path / "library", bundle)
    return tmp_path / "library"


def test_it_counts_what_is_there(library, tmp_path, tiny_bundle):
    health = examine(library)
    assert (health.videos, health.paths, health.clips, health.subtitles) == (2, 4, 3, 2)
    assert (health.library, health.bundle) == (str(library), tiny_bundle.card.label)
    assert (health.usable, health.bundle_state) == (True, "installed and whole")
    assert health.files == 3
    assert health.copies == {str(tmp_path / "videos" / "c.mp4"): str(tmp_path / "videos" / "b.mp4")}
    assert [problem.path for problem in health.failed] == [str(tmp_path / "videos" / "d.mp4")]
    assert health.remarks == ()
    assert health.schema_version == 4
    assert health.commit == read_state(library).commit


def test_copies_are_counted_and_named_alike_by_every_command(library, tmp_path, capsys):
    where = ["--library", str(library)]
    assert main(["doctor", *where]) == 0
    said = capsys.readouterr().out
    assert "2 videos in 3 files, 3 clips, 2 lines" in said
    copies = "Copies, found as one with another file: 1 file\n"
    assert f"{copies}  {tmp_path}/videos/c.mp4, of {tmp_path}/videos/b.mp4\n" in said
    index = ["index", str(tmp_path / "videos"), *where, "--no-speech", "--no-screen-text"]
    assert main(index) == 0
    said = capsys.readouterr().out
    assert "Nothing has changed: 3 files as indexed before." in said
    assert "Searched: 2 videos in 3 files; copies are one (polyreel videos list).\nLibrary: " in said
    assert main([*index, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["searched"] == {"videos": 2, "files": 3}
    contents = open_library(library).contents()
    assert (contents.videos, contents.files, contents.paths) == (2, 3, 4)
    assert main(["videos", "forget", str(tmp_path / "videos" / "c.mp4"), *where]) == 0
    capsys.readouterr()
    main(["doctor", *where])
    assert "2 videos, 3 clips" in capsys.readouterr().out


def test_it_tells_versions_and_space(library):
    health = examine(library)
    assert health.versions["lancedb"] == version("lancedb")
    assert {"python", "polyreel", "av", "onnxruntime"} <= health.versions.keys()
    tables = {f"{name}.lance" for name in ("clips", "files", "gen-1", "recognised", "subtitles")}
    assert set(health.space_bytes) == {*tables, "thumbs", "cache"}
    pictures = [path for path in (library / "thumbs").rglob("*") if path.is_file()]
    assert health.space_bytes["thumbs"] == sum(path.stat().st_size for path in pictures)


def test_wishes_that_cannot_be_read_are_one_problem_beside_all_the_rest(library, capsys):
    os.mkfifo(library / "preferences.json")
    health = examine(library)
    assert (health.videos, health.usable, health.languages) == (2, True, ())
    (damage,) = health.damage
    assert f"wishes cannot be read: {library / 'preferences.json'} (Not a regular file)" in damage
    assert main(["doctor", "--library", str(library)]) == 0
    said = capsys.readouterr().out
    assert damage in said
    assert "2 videos in 3 files, 3 clips, 2 lines" in said
    assert "d.mp4" in said
    assert "Every file was read in full" not in said


@pytest.mark.parametrize(("asked", "told"), [("auto", "cuda"), ("openvino", "cpu"), ("", "cpu")])
def test_it_tells_what_runs_the_bundle(library, monkeypatch, caplog, asked, told):
    monkeypatch.setattr(devices, "_installed", lambda: ["CPUExecutionProvider", "CUDAExecutionProvider"])
    monkeypatch.setenv("POLYREEL_DEVICE", asked)
    assert examine(library).device == told
    assert len(caplog.records) == (asked == "openvino")  # which is not there: one message


def test_it_tells_how_the_library_is_searched(library, monkeypatch, capsys):
    assert set(examine(library).ways.values()) == {"exactly"}
    monkeypatch.setattr(searched, "EXACT_BYTES", 2 * 8 * 4)  # two vectors of eight numbers
    monkeypatch.setattr(searched, "can_scan", lambda: True)
    by_bytes = "nearly exactly: by signs, in one byte a number, the best compared; --exact compares all"
    assert examine(library).ways == {"clips": by_bytes, "subtitles": "exactly"}
    main(["doctor", "--library", str(library)])
    assert f"clips {by_bytes}; subtitle lines exactly" in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr(searched, "can_scan", lambda: False)
    assert examine(library).ways["clips"] == "exactly, since numkong is not installed"


def test_it_changes_nothing(library):
    before = {path: path.stat().st_mtime_ns for path in library.rglob("*")}
    examine(library)
    assert {path: path.stat().st_mtime_ns for path in library.rglob("*")} == before


def test_a_missing_bundle_is_named(library, tmp_path):
    shutil.rmtree(tmp_path / "tiny")
    health = examine(library)
    assert not health.usable
    assert "no bundle is here" in health.bundle_state
    assert str(tmp_path / "tiny") in health.bundle_state


def test_a_damaged_bundle_is_named(library, tmp_path):
    (tmp_path / "tiny" / "video.onnx").write_bytes(b"")
    health = examine(library)
    assert not health.usable
    assert "video.onnx" in health.bundle_state


def test_a_bundle_that_was_replaced_is_named(library):
    state = read_state(library)
    other = state.generation.model_copy(update={"identity": "f" * 64})
    write_state(library, state.model_copy(update={"generations": {1: other}}))
    health = examine(library)
    assert not health.usable
    assert "another bundle" in health.bundle_state


def test_no_library_is_one_clear_error(tmp_path):
    with pytest.raises(LibraryError, match=r"no library is here"):
        examine(tmp_path)


def test_files_that_go_while_it_looks_do_not_stop_it(library, monkeypatch):
    """An index run in another process removes what it no longer needs."""
    look = Path.stat

    def gone(path, **options):
        if path.suffix == ".jpg":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return look(path, **options)

    monkeypatch.setattr(Path, "stat", gone)
    assert examine(library).space_bytes["thumbs"] == 0


def test_a_lost_table_of_vectors_is_damage(library, capsys):
    shutil.rmtree(library / "gen-1.lance")
    health = examine(library)
    assert not health.usable
    assert "the table gen-1 cannot be read" in health.damage[0]
    assert "3 of 3 clips have no vector" in health.damage[1]
    assert main(["doctor", "--library", str(library)]) == 1
    out = capsys.readouterr().out
    assert "cannot be found" in out
    assert "Every file was read in full" not in out


@pytest.mark.parametrize("table", ["clips", "subtitles", "files"])
def test_a_damaged_table_is_named_beside_what_is_whole(library, table):
    for part in (library / f"{table}.lance" / "data").iterdir():
        part.write_bytes(b"no table" * 9)
    health = examine(library)
    assert not health.usable
    assert [what for what in health.damage if f"the table {table} cannot be read" in what]
    assert health.bundle_state == "installed and whole"


def test_lost_vectors_and_pictures_are_counted(library, tiny_bundle):
    with writing(library, read_state(library).generation) as writer:
        writer._tables["gen-1"].delete("kind = 'subtitle'")
        writer._publish()
    next((library / "thumbs").rglob("*.jpg")).unlink()
    assert [what.partition(".")[0] for what in examine(library).damage] == [
        "2 of 2 subtitle lines have no vector and cannot be found",
        "1 clips have lost their picture",
    ]


def test_files_and_folders_that_are_gone_are_named(library, tmp_path, capsys):
    (tmp_path / "videos").rename(tmp_path / "elsewhere")
    health = examine(library)
    assert health.usable
    assert [Path(path).name for path in health.missing] == ["a.mp4", "b.mp4", "c.mp4"]
    assert health.gone_folders == (str(tmp_path / "videos"),)
    main(["doctor", "--library", str(library)])
    out = capsys.readouterr().out
    assert f"The folder {tmp_path / 'videos'} is gone: is a drive not mounted?" in out
    assert "videos relocate" in out
