"""What the readers share."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter
from written import fails, write, zip_of

from polyreel.datasets.reading import (
    locate,
    parallel_lines,
    pictures_in,
    read_lines,
    videos_in,
)
from polyreel.datasets.strict_json import parse, parse_lines
from polyreel.media.pictures import read_bytes

GET = "Get it"


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_lines_are_read_with_and_without_a_final_newline(tmp_path, name, end):
    write(tmp_path, {name: f"\ufeffone\r\ntwo{end}"})
    assert read_lines(locate(tmp_path, "a.txt", remedy=GET)) == ["one", "two"]


def test_only_a_line_feed_ends_a_line(tmp_path):
    write(tmp_path, {"a": "one\u2028still\x85one\x0bline\ntwo"})
    assert read_lines(tmp_path / "a") == ["one\u2028still\x85one\x0bline", "two"]


def test_an_empty_line_at_the_end_is_a_line(tmp_path):
    assert read_lines(write(tmp_path, {"a": "one\n\n"}) / "a") == ["one", ""]


def test_what_is_not_there_is_named_with_what_to_do(tmp_path):
    fails(lambda: locate(tmp_path, "a.txt", "b.txt", remedy=GET), "missing", tmp_path / "a.txt", GET)
    fails(lambda: locate(tmp_path / "no", "a.txt", remedy=GET), "no such folder", tmp_path / "no", GET)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"plain"])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / ("a.txt" if content[0] > 127 else "a.gz")
    path.write_bytes(content)
    fails(lambda: read_lines(path), "cannot be read", path)


def test_aligned_files_must_be_equally_long(tmp_path):
    write(tmp_path, {"a": "1\n2\n", "b": "1\n2\n3"})
    files = {name: tmp_path / name for name in "ab"}
    fails(lambda: parallel_lines(files), "differ in length", "a 2, b 3")


def test_json_is_checked_and_the_place_is_named(tmp_path):
    write(tmp_path, {"a.json": {"x": ["1", 2]}, "b.json": "{", "c.jsonl": '["1"]\n\n[2]\n'})
    kind = TypeAdapter(list[str])
    fails(lambda: parse(tmp_path / "a.json", TypeAdapter(dict[str, list[str]])), "a.json", "x.1")
    fails(lambda: parse(tmp_path / "b.json", kind), "b.json", "no JSON")
    fails(lambda: parse_lines(tmp_path / "c.jsonl", kind), "c.jsonl, line 3", "0 ")


def test_pictures_are_found_in_the_folder_and_in_the_zip(tmp_path):
    write(tmp_path, {"images/deep/a.jpg": b"A", "images/notes.txt": "no"})
    zip_of(tmp_path / "images.zip", ["train2014/b.PNG", "train2014/", "notes.txt"])
    found = pictures_in(tmp_path)
    assert sorted(found) == ["a.jpg", "b.PNG"]
    assert [read_bytes(media.root, media.references[0]) for media in found.values()] == [b"A", b""]


def test_pictures_may_lie_on_another_disk(tmp_path):
    write(tmp_path, {"disk/photos/a.jpg": b"A"})
    zip_of(tmp_path / "disk" / "some.zip", ["b.jpg"])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images").symlink_to(tmp_path / "disk" / "photos")
    (tmp_path / "data" / "images.zip").symlink_to(tmp_path / "disk" / "some.zip")
    found = pictures_in(tmp_path / "data")
    assert {name: read_bytes(m.root, m.references[0]) for name, m in found.items()} == {
        "a.jpg": b"A",
        "b.jpg": b"",
    }


def test_two_pictures_of_one_name_are_an_error(tmp_path):
    write(tmp_path, {"images/1/a.jpg": b"", "images/2/a.jpg": b""})
    fails(lambda: pictures_in(tmp_path), "same name", "a.jpg")


def test_a_damaged_zip_is_named(tmp_path):
    write(tmp_path, {"images.zip": b"no zip"})
    fails(lambda: pictures_in(tmp_path), "cannot be read", "images.zip")


def test_videos_are_found_by_name_and_the_first_place_wins(tmp_path):
    write(tmp_path, {f"{name}": b"" for name in ("x/a.webm", "x/a.mp4", "y/a.mp4", "y/b.mkv", "y/b.txt")})
    found = videos_in(tmp_path, ["x", "y", "nowhere"])
    assert {name: media.path.relative_to(tmp_path).as_posix() for name, media in found.items()} == {
        "a": "x/a.mp4",
        "b": "y/b.mkv",
    }
