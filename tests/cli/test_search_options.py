"""``polyreel search``: by picture and by clip, under filters, one film or all of it, shown in a player."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from films import film, index_films, subtitles
from polyreel.cli.app import main
from polyreel.cli.players import open_moment
from polyreel.errors import NotFoundError, UsageError
from tiny_bundle import PALETTE


@pytest.fixture(scope="module")
def films_folder(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("films")
    film(folder / "videos" / "red.mp4", "red")
    film(folder / "videos" / "more" / "long.mp4", "green", "red", "blue", "red", each_s=3)
    subtitles(folder / "videos" / "more" / "long.en.srt", (0, 1, "the dog"))
    index_films(folder / "videos", folder / "library", tiny_bundle)
    return folder


@pytest.fixture
def ask(films_folder, capsys):
    def asked(*arguments: object) -> tuple[int, str, str]:
        code = main(["search", *map(str, arguments), "--library", str(films_folder / "library")])
        return code, *capsys.readouterr()

    return asked


@pytest.fixture
def hits(ask):
    def found(*arguments: object) -> list[dict]:
        code, out, said = ask(*arguments, "--json")
        assert code == 0, said
        return json.loads(out)["hits"]

    return found


def names(out: str) -> list[str]:
    return [Path(line).name for line in out.splitlines()]


def test_a_film_is_one_hit_unless_all_moments_are_asked_for(ask, hits, monkeypatch):
    grouped = {Path(hit["video"]).name: hit["more"] for hit in hits("red", "--in", "visual")}
    assert grouped == {"red.mp4": 0, "long.mp4": 1}
    every = hits("red", "--in", "visual", "--all-moments", "--folder", "more/long.mp4")
    assert [hit["start_s"] for hit in every][:2] == [3, 9]
    assert {hit["more"] for hit in every} == {0}
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    _, table, _ = ask("red", "--in", "visual")
    head, *rows = table.splitlines()
    assert "more" in head
    assert ["+1" in row for row in rows] == ["long.mp4" in row for row in rows]


def test_a_name_in_the_table_links_to_the_film(films_folder, ask, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setattr(
        "polyreel.cli.search.stdout", Console(force_terminal=True, color_system="standard", width=100)
    )
    _, table, _ = ask("red", "--in", "visual", "--folder", "red.mp4")
    assert re.findall(r"\x1b]8;[^;]*;(file:[^\x1b]+)", table) == [
        (films_folder / "videos" / "red.mp4").as_uri()
    ]


def test_no_moment_of_the_table_has_no_length(tmp_path, tiny_bundle, capsys, monkeypatch):
    film(tmp_path / "videos" / "short.mp4", "red", each_s=0.4)
    film(tmp_path / "videos" / "long.mp4", "blue", "red", "blue", each_s=3)
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    main(["search", "red", "--in", "visual", "--library", str(tmp_path / "library")])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert {tuple(row[1:3]) for row in rows} == {("0:00", "0:01"), ("0:03", "0:07")}


def test_a_picture_or_a_clip_is_searched_with(ask, hits, tmp_path):
    picture = tmp_path / "green.png"
    Image.fromarray(np.full((48, 64, 3), PALETTE["green"], np.uint8)).save(picture)
    best = hits("--image", picture)[0]
    assert (Path(best["video"]).name, best["start_s"]) == ("long.mp4", 0)
    alike = hits("--like", best["clip_id"], "--all-moments")
    assert best["clip_id"] not in {hit["clip_id"] for hit in alike}
    assert hits(best["clip_id"], "--in", "visual") != alike  # a text like any other
    hits("--image", picture)
    assert hits("--like", "1", "--all-moments") == alike
    assert ask("--like", "99")[0] == 1
    code, _, said = ask("--like", "nothing")
    assert (code, "no such moment" in said) == (1, True)
    picture.write_bytes(b"no picture")
    code, _, said = ask("--image", picture)
    assert (code, "neither a picture nor a video" in said) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dog", "--like", "x"), "one thing"),
        (("dog", "--image", "x.png"), "one thing"),
        (("--like", "x", "--image", "x.png"), "one thing"),
        (("--like", "x", "--in", "speech"), "among pictures alone"),
        (("red", "--in", "visual,spech"), "no search mode has this name: 'spech'. Did you mean 'speech'?"),
        (("red", "--after", "yesterday"), "not a day"),
        (("red", "--min-duration", 9, "--max-duration", 1), "no video can match"),
        (("red", "--subtitles", "english!"), "not a language tag"),
        (("red", "--open", 9), "no such hit to open (9, of 2 hits)"),
        (("red", "--open", 0), "Must be >= 1"),
        (("red", "--folder", ""), "a name or path is empty"),
        (("--image", ""), "a name or path is empty"),
        (("--image", "none.png"), "no such file"),
        (("--image", "."), "a folder is not a picture"),
        (("red", "--export", "csv", "--out="), "a name or path is empty"),
        (("red", "--like", ""), "one thing"),
        (("--open", 1, "--export", "csv", "-o", "x.csv"), "an export needs a search"),
        (
            ("--open", 1, "--folder", "more", "--paths"),
            "as it was (--paths, --folder). Leave the other options",
        ),
        (("--like", "1", "--lang", "de"), "a picture or a clip has no language (--lang de)"),
    ],
)
def test_what_cannot_be_is_refused_in_one_message(ask, arguments, said):
    code, out, told = ask(*arguments)
    assert (code, out) == (2, "")
    assert said in told


@pytest.mark.parametrize("bare", ["--paths", "-0"])
def test_a_document_and_bare_paths_are_not_asked_for_together(ask, bare):
    code, out, said = ask("red", "--json", bare)
    assert (code, list(json.loads(out))) == (2, ["error"])
    assert "--json prints one document, and no bare paths" in said


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ((), ["long.mp4", "red.mp4"]),
        (("--folder", "more"), ["long.mp4"]),
        (("--folder", "more/long.mp4"), ["long.mp4"]),
        (("--min-duration", 4), ["long.mp4"]),
        (("--max-duration", 4), ["red.mp4"]),
        (("--subtitles", "en"), ["long.mp4"]),
        (("--after", "2000-01-01"), ["long.mp4", "red.mp4"]),
        (("--before", "2000-01-01"), []),
    ],
)
def test_filters_say_which_videos_may_be_found(ask, conditions, found):
    code, out, _ = ask("red", *conditions, "--paths", "--all-moments")
    assert code == 0
    assert sorted(names(out)) == found


def test_a_folder_is_taken_from_where_one_is(ask, films_folder, monkeypatch):
    monkeypatch.chdir(films_folder / "videos" / "more")
    assert names(ask("red", "--folder", ".", "--paths")[1]) == ["long.mp4"]
    code, _, said = ask("red", "--folder", "moer")
    assert code == 1
    assert "no video below this folder: 'moer'. Did you mean 'more'?" in said
    assert ask("red", "--before", "2000-01-01")[2].startswith("Nothing found: no video passes the filters")


def player(folder: Path, name: str, *, code: int = 0) -> Path:
    """A program that notes what it is called with."""
    folder.mkdir(exist_ok=True)
    program, noted = folder / name, folder / f"{name}.txt"
    program.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" > '{noted}.new'\n/bin/mv '{noted}.new' '{noted}'\nexit {code}\n"
    )
    program.chmod(0o755)
    return noted


def lines_of(noted: Path) -> list[str]:
    end = time.monotonic() + 30
    while not noted.exists():
        assert time.monotonic() < end, "no player was started"
        time.sleep(0.02)
    return noted.read_text().splitlines()


def test_a_hit_is_shown_from_its_second(ask, tmp_path, monkeypatch, films_folder):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    film_found = str(films_folder / "videos" / "more" / "long.mp4")
    noted = player(tmp_path / "bin", "xdg-open")
    code, _, said = ask("red", "--in", "visual", "--open", 1, "--folder", "more")
    assert code == 0
    assert lines_of(noted) == [film_found]
    assert "go to 0:03" in said
    noted = player(tmp_path / "bin", "ffplay")
    assert ask("red", "--in", "visual", "--open", 1, "--folder", "more", "--json")[0] == 0
    assert lines_of(noted) == ["-loglevel", "error", "-ss", "2.500", "-i", film_found]
    noted = player(tmp_path / "bin", "mpv")
    assert ask("red", "--in", "visual", "--open", 1, "--folder", "more", "--paths")[0] == 0
    assert lines_of(noted) == ["--start=2.500", "--", film_found]
    noted.unlink()
    assert ask("--open", 1)[0] == 0  # of the last search
    assert lines_of(noted) == ["--start=2.500", "--", film_found]
    assert json.loads(ask("--open", 1, "--json")[1])["video"] == film_found
    code, _, said = ask("--open", 9)
    assert (code, "the last search of this library has no such hit" in said) == (1, True)


def test_a_name_commands_neither_a_shell_nor_the_player(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    noted = player(tmp_path / "bin", "vlc")
    name = "--intf x; touch $(pwd) `id` {start_s} %s 'a\".mp4"
    (tmp_path / name).write_bytes(b"")
    assert open_moment(tmp_path / name, 1.0) == ("vlc", True)
    assert lines_of(noted) == ["--start-time=1.000", str(tmp_path / name)]


def test_a_player_that_is_not_there_or_fails_is_one_message(ask, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    code, _, said = ask("red", "--open", 1)
    assert code == 2
    assert "no player was found" in said
    assert "Install mpv or VLC" in said
    code, out, _ = ask("red", "--open", 1, "--json")
    assert (code, list(json.loads(out))) == (2, ["error"])  # one document
    player(tmp_path / "bin", "mpv", code=2)
    with pytest.raises(UsageError, match=r"the player ended at once.*mpv.*status 2"):
        open_moment(Path(__file__), 0.0)
    (tmp_path / "bin" / "mpv").unlink()
    player(tmp_path / "bin", "xdg-open", code=3)
    with pytest.raises(UsageError, match=r"status 3\)\. It found no program that shows videos: install mpv"):
        open_moment(Path(__file__), 0.0)
    with pytest.raises(NotFoundError, match="the video is not there now"):
        open_moment(tmp_path / "gone.mp4", 0.0)
