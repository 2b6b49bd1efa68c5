"""Libraries of films in a bucket: indexed, searched, shown and cut as those of a disk are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from buckets import Bucket
from films import film, holdings, index_films, open_library, subtitles
from polyreel.encoders.runtime import Bundle
from polyreel.errors import NotFoundError, UsageError
from polyreel.library.exchange.exporting import export_text
from polyreel.library.index.hearing import hear
from polyreel.library.index.scan import scan
from polyreel.library.search.filters import Filter
from polyreel.library.store.doctor import examine
from polyreel.library.store.known_videos import forget, known_videos, relocate
from polyreel.media.cuts.files import facts_of, write_cut
from polyreel.media.cuts.request import CutRequest
from polyreel.media.limited import DecodeWorker
from polyreel.remote import objects, spool
from polyreel.remote.address import asked_place, existing
from polyreel.remote.spool import UnreachableError, spool_folder
from sounds import write_sounds
from tone_recogniser import FetchedTones, says


@pytest.fixture
def films(tmp_path: Path, bucket: Bucket) -> Bucket:
    """Two films, one of them with subtitles and below a folder."""
    folder = tmp_path / "made"
    film(folder / "red.mp4", "red", "blue")
    film(folder / "talks" / "grün #1?.mp4", "green")
    subtitles(folder / "talks" / "grün #1?.en.srt", (0.5, 1.5, "the colour of grass"))
    bucket.put_folder(folder, "films")
    return bucket


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Addresses of which bytes are asked for, in order."""
    read, asked = objects.range_of, []

    def noted(address: str, start: int, end: int) -> bytes:
        asked.append(address)
        return read(address, start, end)

    monkeypatch.setattr(spool, "range_of", noted)
    return asked


def broken(*_: object) -> None:
    raise OSError(5, "the network is down")


def test_a_bucket_is_indexed_and_searched(films: Bucket, tmp_path, tiny_bundle: Bundle, reads):
    report = index_films(Path(films.at("films")), tmp_path / "library", tiny_bundle)
    assert (report.found, report.indexed, report.failed) == (2, 2, [])
    assert sorted(reads) == sorted(
        films.at(f"films/{name}") for name in ("red.mp4", "talks/grün #1?.mp4", "talks/grün #1?.en.srt")
    )
    assert set(holdings(tmp_path / "library")) == {
        films.at("films/red.mp4"),
        films.at("films/talks/grün #1?.mp4"),
    }
    library = open_library(tmp_path / "library")
    (hit,) = library.search("red", top=1).hits
    assert (hit.video, hit.media) == (films.at("films/red.mp4"), films.at("films/red.mp4"))
    (hit,) = library.search("grass", top=1).hits
    assert hit.evidence.subtitle.text == "the colour of grass"
    for folder in ("talks", films.at("films/talks"), films.at("films/talks").replace("://", ":/")):
        hits = library.search("red", filters=Filter(folder=folder)).hits
        assert {each.video for each in hits} == {films.at("films/talks/grün #1?.mp4")}


def test_what_has_not_changed_is_not_read(films: Bucket, tmp_path, tiny_bundle, reads):
    root, library = Path(films.at("films")), tmp_path / "library"
    index_films(root, library, tiny_bundle)
    reads.clear()
    shutil.rmtree(spool_folder())
    again = index_films(root, library, tiny_bundle)
    assert (again.unchanged, again.changed, reads) == (2, False, [])


def test_changed_objects_are_read_and_removed_ones_forgotten(films: Bucket, tmp_path, tiny_bundle, reads):
    root, library = Path(films.at("films")), tmp_path / "library"
    index_films(root, library, tiny_bundle)
    reads.clear()
    films.put("films/red.mp4", film(tmp_path / "other.mp4", "white", "black"))
    films.remove("films/talks/grün #1?.mp4")
    again = index_films(root, library, tiny_bundle)
    assert (again.reread, again.removed, again.failed) == (1, 1, [])
    assert set(reads) == {films.at("films/red.mp4")}
    assert set(holdings(library)) == {films.at("films/red.mp4")}


def test_an_object_that_was_named_stays_while_it_is_there(films: Bucket, tmp_path, tiny_bundle):
    root, library = Path(films.at("films")), tmp_path / "library"
    for name in ("films/film.dat", "films/.kept/blue.mp4"):
        films.put(name, film(tmp_path / "other.mp4", "white" if name.endswith("dat") else "black"))
        index_films(Path(films.at(name)), library, tiny_bundle)
    report = index_films(root, library, tiny_bundle)
    assert (report.found, report.unchanged, report.indexed, report.removed) == (4, 2, 2, 0)
    films.remove("films/film.dat")
    assert index_films(root, library, tiny_bundle).removed == 1


def test_a_film_that_is_known_elsewhere_is_not_decoded(films: Bucket, tmp_path, tiny_bundle):
    library = tmp_path / "library"
    index_films(tmp_path / "made", library, tiny_bundle)
    both = index_films([tmp_path / "made", Path(films.at("films"))], library, tiny_bundle)
    assert (both.indexed, both.linked, both.unchanged) == (0, 2, 2)
    opened = open_library(library)
    (hit,) = opened.search("red", top=1).hits
    assert hit.video == str(tmp_path / "made" / "red.mp4")
    (tmp_path / "made" / "red.mp4").unlink()
    (hit,) = opened.search("red", top=1).hits
    assert hit.video == films.at("films/red.mp4")
    hits = opened.search("red", filters=Filter(folder=films.at("films"))).hits
    assert len({each.video_id for each in hits}) == 2


def test_subtitles_that_came_later_are_read_alone(films: Bucket, tmp_path, tiny_bundle):
    root, library = Path(films.at("films")), tmp_path / "library"
    index_films(root, library, tiny_bundle)
    films.put("films/red.en.srt", subtitles(tmp_path / "red.en.srt", (0.5, 1.5, "a fire engine")))
    assert index_films(root, library, tiny_bundle).resubtitled == 1
    (hit,) = open_library(library).search("engine", top=1).hits
    assert hit.video == films.at("films/red.mp4")


def test_a_listing_that_fails_forgets_nothing(films: Bucket, tmp_path, tiny_bundle, monkeypatch):
    root, library = Path(films.at("films")), tmp_path / "library"
    index_films(root, library, tiny_bundle)
    with monkeypatch.context() as patched:
        patched.setattr("polyreel.remote.address.facts_of", broken)
        with pytest.raises(UsageError, match=r"the bucket cannot be listed.*\(the network is down\)"):
            index_films(root, library, tiny_bundle, prune=True)
    with monkeypatch.context() as patched:
        patched.setattr("polyreel.remote.address.listing", broken)
        report = index_films(root, library, tiny_bundle, prune=True)
    assert report.removed == 0
    assert "the folder cannot be read" in str(report.failed[0])
    assert len(holdings(library)) == 2
    for wrong in (f"{films.address}-other", films.at("elsewhere")):
        with pytest.raises(UsageError, match="there is nothing at this address"):
            index_films(Path(wrong), library, tiny_bundle)
    with pytest.raises(UsageError, match="there is nothing at this address"):
        index_films(Path(f"{films.address}-other"), library, tiny_bundle, prune=True)
    assert len(holdings(library)) == 2


def test_a_prefix_that_was_emptied_is_forgotten_when_asked(films: Bucket, tmp_path, tiny_bundle):
    root, library = Path(films.at("films")), tmp_path / "library"
    index_films(root, library, tiny_bundle)
    for name in ("red.mp4", "talks/grün #1?.mp4", "talks/grün #1?.en.srt"):
        films.remove(f"films/{name}")
    films.put("other.txt", b"the bucket is still there")
    with pytest.raises(UsageError, match="--prune forgets"):
        index_films(root, library, tiny_bundle)
    if not films.address.startswith("memory"):  # which has folders
        assert index_films(root, library, tiny_bundle, prune=True).removed == 2


def test_a_film_that_cannot_be_fetched_fails_alone_and_is_tried_again(
    films: Bucket, tmp_path, tiny_bundle, monkeypatch
):
    root, library = Path(films.at("films")), tmp_path / "library"
    read = objects.range_of

    def half(address: str, start: int, end: int) -> bytes:
        return broken() if address.endswith("red.mp4") else read(address, start, end)  # type: ignore[return-value]

    with monkeypatch.context() as patched:
        patched.setattr(spool, "range_of", half)
        patched.setattr(spool, "_PATIENCE_S", 0.01)
        report = index_films(root, library, tiny_bundle)
    assert report.indexed == 1
    (failure,) = map(str, report.failed)
    assert "the network is down" in failure
    assert "tried again at every run" in failure
    assert index_films(root, library, tiny_bundle).indexed == 1


def test_a_film_is_not_read_without_subtitles_that_cannot_be_fetched(
    films: Bucket, tmp_path, tiny_bundle, monkeypatch
):
    root, library = Path(films.at("films")), tmp_path / "library"
    read = objects.range_of

    def but_subtitles(address: str, start: int, end: int) -> bytes:
        return broken() if address.endswith(".srt") else read(address, start, end)  # type: ignore[return-value]

    with monkeypatch.context() as patched:
        patched.setattr(spool, "range_of", but_subtitles)
        patched.setattr(spool, "_PATIENCE_S", 0.01)
        report = index_films(root, library, tiny_bundle)
    assert report.indexed == 1
    assert "the network is down, at grün #1?.en.srt beside it" in str(report.failed[0])
    assert index_films(root, library, tiny_bundle).indexed == 1
    (hit,) = open_library(library).search("grass", top=1).hits
    assert hit.evidence.subtitle.text == "the colour of grass"


def test_an_object_with_the_name_of_a_folder_hides_nothing_in_it(films: Bucket, tmp_path, tiny_bundle):
    if films.address.startswith("memory"):
        pytest.skip("its objects and folders have different names")
    index_films(Path(films.at("films")), tmp_path / "library", tiny_bundle)
    films.put("films", b"")
    again = index_films(Path(films.at("films")), tmp_path / "library", tiny_bundle)
    assert (again.found, again.unchanged, again.removed, again.failed) == (2, 2, 0, [])
    films.put("films/red.mp4/b.mp4", film(tmp_path / "other.mp4", "white"))
    found = scan([Path(films.at("films/red.mp4"))]).videos
    assert [str(each.path) for each in found] == [films.at("films/red.mp4"), films.at("films/red.mp4/b.mp4")]


def test_names_too_long_for_a_file_are_told(bucket: Bucket):
    bucket.put("films/a.mp4", b"a")
    bucket.put(f"films/{'n' * 252}.mp4", b"a")
    found = scan([Path(bucket.at("films"))])
    assert [video.path.name for video in found.videos] == ["a.mp4"]
    assert "is too long for a file" in str(found.problems[0])


def test_damaged_films_are_named_by_their_address(bucket: Bucket, tmp_path, tiny_bundle):
    bucket.put("films/a.mp4", b"this is no film")
    bucket.put("films/a.en.srt", b"\x00\x01 no subtitles")
    report = index_films(Path(bucket.at("films")), tmp_path / "library", tiny_bundle)
    (failure,) = report.failed
    assert bucket.at("films/a.mp4") in str(failure)
    assert str(spool_folder()) not in str(failure)


def test_names_that_no_path_can_have_are_told(bucket: Bucket, tmp_path):
    if bucket.address.startswith("memory"):
        pytest.skip("its names are paths")
    bucket.put("films/a.mp4", b"a")
    for name in ("films//b.mp4", "films/../c.mp4", "films/d/"):
        bucket.store.call_s3("put_object", Bucket=bucket.address[5:], Key=name, Body=b"")
    found = scan([Path(bucket.at("films"))])
    assert [str(video.path) for video in found.videos] == [bucket.at("films/a.mp4")]
    assert all("the name of the object cannot be a path" in str(problem) for problem in found.problems)
    assert len(found.problems) == 2


def test_patterns_and_hidden_names_are_passed_over(films: Bucket):
    films.put("films/.hidden.mp4", b"")
    films.put("films/drafts/a.mp4", b"")
    films.put("films/.polyreelignore", b"drafts/\n")
    films.put("films/empty/", b"") if films.address.startswith("s3") else None
    found = scan([Path(films.at("films"))], exclude=["talks"])
    assert [video.path.name for video in found.videos] == ["red.mp4"]
    assert {path.name for path in found.excluded} == {"drafts", "talks"}
    (single,) = scan([Path(films.at("films/talks/grün #1?.mp4"))]).videos
    assert single.sidecar_names == ("grün #1?.en.srt",)


def test_a_moment_is_cut_and_its_film_seen(films: Bucket, tmp_path):
    source = asked_place(Path(films.at("films/red.mp4")))
    report = write_cut(source, tmp_path / "cut.mp4", CutRequest(1.0, 2.0))
    assert report.pictures == 5
    assert report.left_out == ()
    talk = asked_place(Path(films.at("films/talks/grün #1?.mp4")))
    (stays,) = write_cut(talk, tmp_path / "talk.mp4", CutRequest(0.0, 1.0)).left_out
    assert stays == "subtitles in files beside the film (grün #1?.en.srt)"
    assert (tmp_path / "cut.mp4").stat().st_size > 0
    with DecodeWorker() as worker:
        assert facts_of(worker, source).pictures == 20
        films.remove("films/red.mp4")
        with pytest.raises(UnreachableError, match=r"could not be fetched.*red.mp4 \(nothing lies there\)"):
            facts_of(worker, source)


def test_what_is_said_in_it_is_heard(bucket: Bucket, tmp_path, tiny_bundle, monkeypatch):
    made = tmp_path / "talk.mkv"
    write_sounds(made, [says("red", 0.5, 1.5)], seconds=2, codec="pcm_s16le")
    bucket.put("talk.mkv", made)
    library = tmp_path / "library"
    index_films(Path(bucket.address), library, tiny_bundle)
    options = {"location": str(tiny_bundle.folder), "paths": [Path(bucket.address)]}
    shutil.rmtree(spool_folder())
    with monkeypatch.context() as patched:
        patched.setattr(spool, "range_of", broken)
        patched.setattr(spool, "_PATIENCE_S", 0.01)
        (failure,) = hear(library, tiny_bundle, FetchedTones(), **options).failed
        assert "the network is down" in str(failure)
    report = hear(library, tiny_bundle, FetchedTones(), **options)
    assert (report.heard, report.lines) == (1, 1)


def test_doctor_and_the_list_of_videos_ask_the_bucket(films: Bucket, tmp_path, tiny_bundle):
    library = tmp_path / "library"
    index_films(Path(films.at("films")), library, tiny_bundle)
    films.remove("films/red.mp4")
    health = examine(library)
    assert health.missing == (films.at("films/red.mp4"),)
    assert {file.path: file.on_disk for video in known_videos(library) for file in video.files} == {
        films.at("films/red.mp4"): False,
        films.at("films/talks/grün #1?.mp4"): True,
    }
    with pytest.raises(UsageError, match="films in a bucket are not followed to another place"):
        relocate(library, Path(films.at("films")), tmp_path)
    assert forget(library, [Path(films.at("films/talks"))]) == (films.at("films/talks/grün #1?.mp4"),)


def test_a_bucket_that_does_not_answer_is_not_asked_for_each_folder(films: Bucket, tmp_path, monkeypatch):
    asked = []

    def down(address: str) -> None:
        asked.append(address)
        raise OSError(5, "the network is down")

    known = [films.at(f"films/{number}/a.mp4") for number in range(9)]
    with monkeypatch.context() as patched:
        patched.setattr("polyreel.remote.address.listing", down)
        patched.setattr("polyreel.remote.address.facts_of", down)
        assert existing(known) == set()
    assert len(asked) == 2
    assert existing([*known, films.at("films/red.mp4")]) == {films.at("films/red.mp4")}


def test_lists_for_editors_and_players_are_refused(films: Bucket, tmp_path, tiny_bundle):
    index_films(Path(films.at("films")), tmp_path / "library", tiny_bundle)
    hits = open_library(tmp_path / "library").search("red").hits
    assert films.at("films/red.mp4") in export_text(hits, kind="csv", title="red").text
    for kind in ("m3u", "edl"):
        with pytest.raises(UsageError, match="this film lies in a bucket"):
            export_text(hits, kind=kind, title="red")


def test_folders_that_are_offered_for_a_wrong_one_are_whole_addresses(films: Bucket, tmp_path, tiny_bundle):
    index_films([tmp_path / "made", Path(films.at("films"))], tmp_path / "library", tiny_bundle)
    library = open_library(tmp_path / "library")
    assert {each for each in library.snapshot.folders if "bucket" in each} == {
        films.address,
        films.at("films"),
        films.at("films/talks"),
    }
    with pytest.raises(NotFoundError, match=f"Did you mean '{films.at('films/talks')}'"):
        library.search("red", filters=Filter(folder=films.at("films/talk")))
