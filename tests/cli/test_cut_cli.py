"""``cut`` from the command line: hits of the last search, and times in a film."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from films import film, index_films, subtitles
from polyreel.cli.app import main
from polyreel.media.decode import VideoReader


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_bundle):
    """Two films, and the library of them."""
    folder = tmp_path_factory.mktemp("films")
    film(folder / "videos" / "flags.mp4", "red", "blue")
    film(folder / "videos" / "sky.mp4", "blue")
    index_films(folder / "videos", folder / "library", tiny_bundle)
    return folder


def ask(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def pictures(path: Path) -> int:
    with VideoReader(path) as reader:
        return sum(1 for _ in reader.timed_frames())


def test_a_hit_of_the_last_search_is_cut_by_its_rank(folder, tmp_path, capsys):
    where = ("--library", folder / "library")
    code, out, _ = ask(capsys, "search", "red", *where, "--json")
    best = json.loads(out)["hits"][0]
    code, out, _ = ask(capsys, "cut", 1, "-o", tmp_path / "red.mp4", *where, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["video"] == best["video"] == str(folder / "videos" / "flags.mp4")
    # What the table of hits shows and the page plays: two seconds are too short to see anything.
    assert (best["start_s"], best["end_s"]) == (0, 2)
    assert (report["start_s"], report["end_s"]) == (best["watch_start_s"], best["watch_end_s"]) == (0, 4)
    assert report["pictures"] == pictures(tmp_path / "red.mp4") == 20
    # What can be searched is as it was, and the next search replaces what is remembered.
    ask(capsys, "search", "blue", *where)
    code, out, _ = ask(capsys, "cut", 2, "--start", 0, "--end", "0:01", "-o", tmp_path / "blue.mkv", *where)
    assert code == 0
    assert out.startswith(f"{tmp_path / 'blue.mkv'}: ")
    assert pictures(tmp_path / "blue.mkv") == 5
    remembered = next((folder / "library" / "cache").glob("last-hits-*.json"))
    assert remembered.stat().st_mode & 0o777 == 0o600


def test_subtitles_beside_the_film_are_said_to_stay_there(tmp_path, capsys):
    source = film(tmp_path / "talk.mp4", "red", "blue")
    for name in ("talk.en.srt", "talk.de.srt", "other.srt"):
        subtitles(tmp_path / name, (0, 1, "the dog"))
    asked = ("cut", source, "--start", 0, "--end", 1, "-o", tmp_path / "cut.mp4")
    code, _, err = ask(capsys, *asked)
    assert code == 0
    assert "Left out: subtitles in files beside the film (talk.de.srt, talk.en.srt)" in err
    code, out, _ = ask(capsys, *asked, "--overwrite", "--json")
    assert ["talk.de.srt" in what for what in json.loads(out)["left_out"]] == [True]
    for name in ("talk.en.srt", "talk.de.srt"):
        (tmp_path / name).unlink()
    assert "Left out" not in ask(capsys, *asked, "--overwrite")[2]


def test_a_rank_that_no_hit_has_is_refused(folder, tmp_path, capsys):
    ask(capsys, "search", "red", "--library", folder / "library", "--top", 1)
    code, _, err = ask(capsys, "cut", 7, "-o", tmp_path / "a.mp4", "--library", folder / "library")
    assert (code, err) == (
        1,
        "polyreel: the last search of this library has no such hit: 7 (it had 1). "
        "Search again, or with a larger --top.\n",
    )
    code, _, err = ask(capsys, "cut", 1, "-o", tmp_path / "a.mp4", "--library", tmp_path / "none")
    assert code == 1
    assert err.startswith("polyreel: no search of this library is remembered")
    remembered = next((folder / "library" / "cache").glob("last-hits-*.json"))
    remembered.write_text("{}")
    code, _, err = ask(capsys, "cut", 1, "-o", tmp_path / "a.mp4", "--library", folder / "library")
    assert (code, "cannot be read" in err) == (1, True)


def test_any_times_of_a_film_are_cut(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(folder / "videos")
    target = tmp_path / "part.mp4"
    arguments = (
        "flags.mp4",
        "--start",
        "1.2",
        "--end",
        "0:00:03",
        "-o",
        target,
        "--library",
        tmp_path / "none",
    )
    code, out, _ = ask(capsys, "cut", *arguments)
    assert code == 0
    assert out == f"{target}: 0:01.20 to 0:03.00 of flags.mp4, no pictures copied, 9 encoded anew (h264).\n"
    code, _, err = ask(capsys, "cut", *arguments)
    assert (code, err) == (
        2,
        f"polyreel: a file of this name is there: {target}. Give another name, or --overwrite.\n",
    )
    assert ask(capsys, "cut", *arguments, "--overwrite", "--fast")[0] == 0
    assert pictures(target) in {15, 16}  # from the key frame, and to where pictures can end


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("flags.mp4", "-o", "a.mp4"), "a cut of a video needs --start and --end: flags.mp4"),
        (("flags.mp4", "--start", "x", "--end", "2", "-o", "a.mp4"), "--start is not a time (x)"),
        (("flags.mp4", "--start", "2", "--end", "1:99", "-o", "a.mp4"), "--end is not a time (1:99)"),
        (("flags.mp4", "--start", "3", "--end", "2", "-o", "a.mp4"), "a cut has to end after it starts"),
        (("flags.mp4", "--start", "0", "--end", "2", "-o", "a.mpv"), "Did you mean '.mp4'?"),
        (
            ("flags.mp4", "--start", "0", "--end", "2", "-o", "flags.mp4", "--overwrite"),
            "this is a video of the library",
        ),
        (
            ("flags.mp4", "--start", "0", "--end", "2", "-o", "sky.mp4", "--overwrite"),
            "this is a video of the library",
        ),
        (
            ("flags.mp4", "--start", "0", "--end", "2", "-o", "../library/a.mp4"),
            "nothing is written into the folder of a library",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(folder, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(folder / "videos")
    before = {path: path.stat().st_size for path in folder.glob("videos/*")}
    code, out, err = ask(capsys, "cut", *arguments, "--library", folder / "library")
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert {path: path.stat().st_size for path in folder.glob("videos/*")} == before


def test_a_folder_that_is_not_there_and_a_film_that_is_gone(folder, tmp_path, capsys):
    times = ("--start", 0, "--end", 1, "--library", folder / "library")
    code, _, err = ask(
        capsys, "cut", folder / "videos" / "flags.mp4", *times, "-o", tmp_path / "no" / "a.mp4"
    )
    assert code == 1
    no = tmp_path / "no"
    assert err == f"polyreel: No such file or directory: {no}. Check the path; folders have to be there.\n"
    code, _, err = ask(capsys, "cut", tmp_path / "gone.mp4", *times, "-o", tmp_path / "a.mp4")
    assert code == 1
    assert err.startswith(f"polyreel: no such file: {tmp_path / 'gone.mp4'}.")
    assert list(tmp_path.iterdir()) == []


def test_a_search_is_exported_and_refused_where_it_cannot_be(folder, tmp_path, capsys):
    where = ("--library", folder / "library")
    target = tmp_path / "reds.edl"
    code, out, err = ask(capsys, "search", "red", *where, "--export", "edl", "-o", target, "--json")
    assert code == 0
    assert len(json.loads(out)["hits"]) == target.read_text().count("FROM CLIP NAME") == 2
    assert err == f"2 moments written to {target}\n"
    assert target.read_text().startswith("TITLE: red\n")
    for arguments, said in (
        (
            ("--export", "edl"),
            "an export needs a file (--export edl without -o). Name one, such as: -o dogs.edl",
        ),
        (("--overwrite",), "an export needs a file (--overwrite without -o)"),
        (("-o", tmp_path / "a"), "does not say its format"),
        (("-o", tmp_path / "a.txt"), "End it in .otio, .edl, .fcpxml, .m3u or .csv, or give --export"),
        (("-o", tmp_path / "a.mp4"), "does not say its format"),
        (("--export", "edll", "-o", tmp_path / "a.edl"), "Did you mean 'edl'?"),
        (
            ("--export", "csv", "-o", tmp_path / "a.edl"),
            "End the name in .csv, or leave out --export for edl",
        ),
        (("--export", "edl", "-o", tmp_path / "a.mp4"), "End the name in .edl.\n"),
        (("--export", "edl", "-o", target), "a file of this name is there"),
        (("--export", "csv", "-o", folder / "library" / "a.csv"), "nothing is written into the folder"),
    ):
        code, _, err = ask(capsys, "search", "red", *where, *arguments)
        assert code == 2
        assert said in err, arguments
    assert [path.name for path in tmp_path.iterdir()] == ["reds.edl"]
    for name, begins in (("a.CSV", "\ufeffrank,"), ("b.m3u8", "#EXTM3U"), ("c.xml", "<?xml")):
        code, _, err = ask(capsys, "search", "red", *where, "-o", tmp_path / name)
        assert (code, (tmp_path / name).read_text(encoding="utf-8").startswith(begins)) == (0, True), err
    assert ask(capsys, "search", "red", *where, "--export", "edl", "-o", tmp_path / "d.txt")[0] == 0
