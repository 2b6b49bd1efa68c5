"""Addresses in a bucket as paths."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import polyreel
from buckets import memory_bucket
from polyreel.cli.app import main
from polyreel.errors import UsageError
from polyreel.files import absolute
from polyreel.remote import objects, spool
from polyreel.remote.address import (
    BucketPath,
    asked_place,
    film_place,
    given_path,
    in_bucket,
    name_below,
    place,
)

FILM = place("s3://bucket/films/a é#1?.mp4")


def test_an_address_has_the_parts_of_a_path():
    assert str(FILM) == "s3://bucket/films/a é#1?.mp4"
    assert (FILM.name, FILM.stem, FILM.suffix) == ("a é#1?.mp4", "a é#1?", ".mp4")
    assert [str(folder) for folder in FILM.parents[:2]] == ["s3://bucket/films", "s3://bucket"]
    assert str(FILM.with_name("b.srt")) == str(FILM.parent / "b.srt") == "s3://bucket/films/b.srt"
    assert str(FILM.relative_to(BucketPath("s3://bucket"))) == "films/a é#1?.mp4"
    assert FILM.is_relative_to(BucketPath("s3:/bucket"))
    assert not FILM.is_relative_to(Path("/"))
    assert not Path("/films").is_relative_to(FILM.parent)
    assert FILM.as_uri() == "s3://bucket/films/a%20%C3%A9%231%3F.mp4"


def test_it_is_itself_wherever_one_stands_and_in_other_processes():
    assert FILM.absolute() is FILM.resolve() is FILM.expanduser() is FILM
    assert FILM.is_absolute()
    again = pickle.loads(pickle.dumps(FILM))
    assert (again, type(again), hash(again)) == (FILM, BucketPath, hash(FILM))


def test_other_paths_stay_what_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert type(place("/films/a.mp4")) is type(Path("/films/a.mp4"))
    assert not in_bucket("https://a/b.mp4")
    assert asked_place(Path("a.mp4")) == tmp_path / "a.mp4"
    assert asked_place(Path("S3://bucket/films/")) == FILM.parent
    (tmp_path / "s3:" / "bucket").mkdir(parents=True)
    assert asked_place(Path("s3://bucket")) == tmp_path / "s3:" / "bucket"


def test_names_from_a_folder_that_only_some_share_are_whole():
    assert name_below(str(FILM), FILM.parent) == FILM.name
    assert name_below(str(FILM), Path("/")) == str(FILM)
    assert name_below("/films/a.mp4", Path("/")) == "films/a.mp4"


def test_the_packages_of_buckets_are_loaded_by_nobody_who_asks_none():
    code = "import sys, polyreel.cli.app, polyreel.library.search.search, polyreel.media.limited as m; "
    code += "sys.exit(any(each in sys.modules for each in ('fsspec', 's3fs', 'gcsfs', 'botocore')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("index", "s3://bucket/films", "--watch"), "a bucket does not tell of what changes"),
        (("serve", "--root", "s3://bucket/films"), "the page indexes folders of this machine alone"),
    ],
)
def test_what_does_not_go_with_a_bucket_is_said(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("polyreel.library.index.scan.require_paths", lambda _paths: None)
    assert main([*arguments, "--library", str(tmp_path / "library")]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("index", "films", "--library", "s3://bucket/place"),
        ("search", "red", "--library", "s3://bucket/place"),
        ("doctor", "--library", "gs://bucket/place"),
        ("cut", "1", "--library", "library", "-o", "s3://bucket/place"),
    ],
)
def test_only_films_lie_in_buckets(arguments, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    assert main(list(arguments)) == 2
    said = capsys.readouterr().err
    assert "only films are read from buckets" in said
    assert "://bucket/place" in said
    assert [each.name for each in tmp_path.iterdir()] == ["films"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://host/films", "https://host/films"),
        ("ftp://host/a b.mp4", "ftp://host/a b.mp4"),
        ("file:///films/a.mp4", "file:///films/a.mp4"),
        ("http://", "http://"),
        ("films/a.mp4", "films/a.mp4"),
    ],
)
def test_what_looks_like_an_address_is_shown_as_it_was_given(given, shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = given_path(given)
    assert (str(path), f"{path}", str(pickle.loads(pickle.dumps(path)))) == (shown,) * 3
    assert absolute(path) == (path if ":" in given else tmp_path / given)
    assert not path.exists()


def test_a_file_with_the_name_of_an_address_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:" / "host").mkdir(parents=True)
    assert film_place(given_path("http://host")) == tmp_path / "http:" / "host"


@pytest.mark.parametrize(
    "arguments",
    [
        ("index", "http://host/films"),
        ("transcribe", "http://host/a.mp4"),
        ("cut", "http://host/a.mp4", "--start", "0", "--end", "1", "-o", "cut.mp4"),
        ("search", "red", "--library", "http://host/library"),
        ("train", "http://host/recipe.yaml"),
        ("data", "check", "http://host/table"),
    ],
)
def test_messages_show_addresses_as_they_were_given(arguments, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(list(arguments)) != 0
    said = capsys.readouterr().err
    assert "http://host/" in said
    assert "http:/host" not in said.replace("http://host/", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["s3://", "s3:", "gs:///", "S3://"])
def test_an_address_without_a_bucket_is_said_to_be_none(given, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["index", given, "--library", "library"]) == 2
    scheme = given[:2].lower()
    said = capsys.readouterr().err
    assert f"this is no address in a bucket: {scheme}://" in said
    assert f"Write {scheme}://BUCKET/FOLDER." in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("s3:///a", "this is no address in a bucket: s3:///a (it names no bucket)."),
        ("GS:////a/b", "this is no address in a bucket: gs:////a/b (it names no bucket)."),
        (
            "s3://a//b",
            "s3://a//b (two slashes with nothing between). Write s3://BUCKET/FOLDER, with one slash",
        ),
        ("s3://a/b//", "s3://a/b// (two slashes with nothing between)."),
        ("s3://a/./b", "s3://a/./b (a folder '.')."),
        ("s3://my films/a", "no bucket has such a name: s3://my films/a (' ' stands in it)."),
        ("gs://host:9000/films", "gs://host:9000/films (':' stands in it)."),
        ("s3://me:se/cret@host/films", "s3://…@host/films (':' stands in it)."),
    ],
)
def test_what_a_path_would_make_another_address_of_is_refused(given, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in (("index", given), ("search", "red", "--folder", given), ("videos", "forget", given)):
        assert main([*arguments, "--library", "library"]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert "cret@" not in told
    assert list(tmp_path.iterdir()) == []


def test_an_address_may_end_in_a_slash_begin_with_a_space_and_hold_spaces_and_at_signs():
    for given in ("s3://films/a b/c@d/", " S3://films/a b/c@d"):
        assert str(asked_place(given_path(given))) == "s3://films/a b/c@d"


@pytest.mark.parametrize("where", ["in a bucket", "here"])
def test_folders_are_not_transcribed(where, tmp_path, capsys, monkeypatch):
    bucket = memory_bucket(monkeypatch)
    bucket.put("films/a.mp4", b"a")
    (tmp_path / "films").mkdir()
    folder = bucket.at("films") if where == "in a bucket" else str(tmp_path / "films")
    for arguments in (("transcribe", folder), ("cut", folder, "--start", "0", "--end", "1", "-o", "cut.mp4")):
        assert main(list(arguments)) == 2
        assert f"a folder is not a video: {folder}. Name the videos in it" in capsys.readouterr().err


def test_nothing_is_fetched_to_be_transcribed_beside_a_bucket(tmp_path, capsys, monkeypatch):
    bucket = memory_bucket(monkeypatch)
    film = bucket.put("films/a.mp4", b"a")
    monkeypatch.setattr(objects, "range_of", None)
    monkeypatch.setattr(spool, "range_of", None)
    assert main(["transcribe", "--beside", film]) == 2
    assert f"nothing is written into a bucket: {film}. Leave out --beside" in capsys.readouterr().err


@pytest.mark.parametrize("library", ["s3://bucket/library", Path("https://host/library")])
def test_programs_are_refused_libraries_at_addresses_too(library, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    monkeypatch.setenv("POLYREEL_LIBRARY", "s3://bucket/library")
    for refused in (
        lambda: polyreel.index("films", library),
        lambda: polyreel.index("films"),
        lambda: polyreel.open(library),
        lambda: polyreel.open([library, "films"]),
    ):
        with pytest.raises(UsageError, match=r"this has to lie on a disk: (s3|https)://"):
            refused()
    assert [each.name for each in tmp_path.iterdir()] == ["films"]
