"""Videos that a library knows: listed with their copies, forgotten, followed to another place."""

from __future__ import annotations

import json
import os
import re
import shutil

import pytest
from rich.console import Console

from films import film, holdings, index_films, open_library, subtitles
from polyreel.cli import output
from polyreel.cli import videos as verb
from polyreel.cli.app import main
from polyreel.encoders.runtime import Bundle
from polyreel.errors import UsageError
from polyreel.library.search.search import calibrate_library
from polyreel.library.store.doctor import examine
from polyreel.library.store.known_videos import forget, known_videos, relocate


@pytest.fixture
def place(tmp_path, tiny_bundle):
    videos = tmp_path / "videos"
    film(videos / "sub" / "a.mp4", "red", "blue", each_s=3)
    subtitles(videos / "sub" / "a.srt", (0, 1, "the dog"))
    film(videos / "b.mp4", "green")
    shutil.copy(videos / "b.mp4", videos / "sub" / "copy.mp4")
    index_films(videos, tmp_path / "library", tiny_bundle)
    return tmp_path


def test_videos_are_listed_with_all_their_paths(place):
    b, a = known_videos(place / "library")
    assert [file.path for file in b.files] == [
        str(place / "videos/b.mp4"),
        str(place / "videos/sub/copy.mp4"),
    ]
    assert (a.clips, a.lines, a.duration_s) == (2, 1, pytest.approx(6, abs=0.3))
    (place / "videos" / "b.mp4").unlink()
    b = next(video for video in known_videos(place / "library") if video.id == b.id)
    assert [(file.path.rsplit("/", 1)[1], file.on_disk) for file in b.files] == [
        ("copy.mp4", True),
        ("b.mp4", False),
    ]


def test_the_list_has_sizes_and_days_where_there_is_room(place, tiny_bundle, capsys, monkeypatch):
    os.utime(place / "videos" / "b.mp4", (1_000_000_000, 1_000_000_000))
    listed = ["videos", "list", "--library", str(place / "library")]
    index_films(place / "videos", place / "library", tiny_bundle)
    main(listed)
    head, first, copy, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["length", "clips", "lines", "size", "changed", "file"]
    assert first.split()[0] == "0:02"
    assert first.split()[-2:] == ["2001-09-09", str(place / "videos" / "b.mp4")]
    assert copy.split()[0] == "copy"
    for width, columns in ((200, 6), (30, 4)):
        monkeypatch.setattr(output, "stdout", Console(force_terminal=True, width=width))
        monkeypatch.setattr(verb, "stdout", output.stdout)
        main(listed)
        assert len(re.sub(r"\x1b\S*?m", "", capsys.readouterr().out.splitlines()[0]).split()) == columns


def test_what_is_forgotten_is_no_longer_found(place):
    assert len(open_library(place / "library").search("red").hits) == 3
    assert forget(place / "library", [place / "videos" / "sub" / "a.mp4"]) == (
        str(place / "videos/sub/a.mp4"),
    )
    assert {hit.video.rsplit("/", 1)[1] for hit in open_library(place / "library").search("red").hits} == {
        "b.mp4"
    }
    assert set(holdings(place / "library")) == {
        str(place / "videos/b.mp4"),
        str(place / "videos/sub/copy.mp4"),
    }
    assert (place / "videos" / "sub" / "a.mp4").exists()


def test_a_folder_is_forgotten_whole_even_if_it_is_gone(place):
    shutil.rmtree(place / "videos" / "sub")
    assert len(forget(place / "library", [place / "videos" / "sub"])) == 2
    assert set(holdings(place / "library")) == {str(place / "videos/b.mp4")}


def test_a_folder_that_moved_is_followed_without_reading(place, tiny_bundle):
    (place / "videos").rename(place / "moved")
    (place / "moved" / "b.mp4").write_bytes(b"another size")
    done = relocate(place / "library", place / "videos", place / "moved")
    assert (len(done.moved), done.missing) == (2, (str(place / "videos/b.mp4"),))
    hits = open_library(place / "library").search("red").hits
    assert str(place / "moved/sub/a.mp4") in {hit.video for hit in hits}
    report = index_films(place / "moved" / "sub", place / "library", tiny_bundle)
    assert (report.indexed, report.unchanged) == (0, 2)


@pytest.mark.parametrize(
    "act",
    [
        lambda place: forget(place / "library", [place / "vid"]),
        lambda place: relocate(place / "library", place / "vid", place),
    ],
)
def test_a_place_that_the_library_does_not_know_is_refused(place, act):
    before = holdings(place / "library")
    with pytest.raises(UsageError, match=r"knows no video there.*videos list"):
        act(place)
    assert holdings(place / "library") == before


def test_a_new_place_that_is_not_there_is_refused(place):
    with pytest.raises(UsageError, match=r"no such file or folder.*mounted"):
        relocate(place / "library", place / "videos", place / "nowhere")


def test_from_the_command_line(place, capsys):
    where = ["--library", str(place / "library")]
    assert main(["videos", "list", *where]) == 0
    assert "copy" in capsys.readouterr().out
    (place / "videos" / "sub").rename(place / "elsewhere")
    assert main(["videos", "list", "--missing", "--json", *where]) == 0
    (missing,) = json.loads(capsys.readouterr().out)
    assert missing["files"][0]["path"].endswith("a.mp4")
    assert main(["videos", "relocate", str(place / "videos/sub"), str(place / "elsewhere"), *where]) == 0
    assert "2 files moved." in capsys.readouterr().out
    assert main(["videos", "forget", str(place / "elsewhere"), "--json", *where]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (len(document["forgotten"]), document["measured"]) == (2, False)  # it never was
    assert main(["videos", "forget", str(place / "elsewhere"), *where]) == 2


@pytest.mark.parametrize(
    "asked",
    [
        lambda place: ["forget", place / "videos/sub/copy.mp4"],
        lambda place: ["forget", place / "videos/b.mp4", place / "videos/sub/copy.mp4"],
        lambda place: ["forget", place / "videos"],
        lambda place: ["relocate", place / "videos/sub", place / "elsewhere"],
    ],
)
def test_what_is_left_is_measured_again(place, tiny_bundle, asked, capsys):
    folder = place / "library"
    calibrate_library(folder, tiny_bundle)
    assert examine(folder).measured
    shutil.copytree(place / "videos" / "sub", place / "elsewhere")
    assert main(["videos", *map(str, asked(place)), "--library", str(folder), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["measured"] is True
    assert "not known" not in said.err
    assert examine(folder).measured


def test_where_the_bundle_is_not_here_it_is_said_that_nothing_is_measured(place, tiny_bundle, capsys):
    bundle = Bundle(shutil.copytree(tiny_bundle.folder, place / "bundle"))
    index_films(place / "videos", place / "other", bundle)
    calibrate_library(place / "other", bundle)
    shutil.rmtree(bundle.folder)
    forget = ["videos", "forget", str(place / "videos/b.mp4"), "--library", str(place / "other")]
    assert main(forget) == 0
    said = capsys.readouterr()
    assert said.out == "Forgot 1 file.\n"
    assert (
        "How much a match means in this library is not known now: 'polyreel index' measures it." in said.err
    )
