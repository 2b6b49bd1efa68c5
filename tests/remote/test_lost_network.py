"""A network that is lost in the middle of a run: it stops once, keeps what it has, and goes on later."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from buckets import Bucket
from films import film, holdings, index_films, open_library, subtitles
from polyreel.cli.app import main
from polyreel.encoders.runtime import Bundle
from polyreel.errors import UsageError
from polyreel.library.index.events import Settled
from polyreel.library.index.generations import estimate_move, move_library
from polyreel.library.index.hearing import hear
from polyreel.library.index.run_record import read_run_record
from polyreel.library.index.scan import scan
from polyreel.remote import address, answers, objects, spool
from polyreel.remote.address import existing, place
from polyreel.remote.reach import BucketLostError, first_there
from polyreel.remote.spool import local_file, spool_folder
from sounds import write_sounds
from tiny_bundle import write_tiny_bundle
from tone_recogniser import FetchedTones, says

FILMS = [("red",), ("green",), ("blue",), ("red", "blue"), ("blue", "red"), ("green", "red")]


@dataclass
class Cable:
    """Between polyreel and the packages of buckets.

    Attributes:
        is_cut: whether every question fails, as of a network that is down.
        is_silent: whether none is answered then.
        over: ends the silence.
        asked: what was asked while it was.
    """

    is_cut: bool = False
    is_silent: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def to(self, store: Any) -> Any:
        """A store at its other end."""

        class Far:
            def __getattr__(_, name: str) -> Callable[..., Any]:  # noqa: N805
                return lambda *given, **options: self._ask(store, name, *given, **options)

        return Far()

    def _ask(self, store: Any, name: str, *given: Any, **options: Any) -> Any:
        if self.is_cut:
            self.asked.append(name)
            if self.is_silent:
                self.over.wait(60)
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return getattr(store, name)(*given, **options)


@pytest.fixture
def cable(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    """The one to the bucket."""
    cable = Cable()
    monkeypatch.setattr(objects, "_store", lambda _scheme: cable.to(bucket.store))
    monkeypatch.setattr(spool, "_PATIENCE_S", 0.01)
    yield cable
    cable.over.set()


@pytest.fixture
def silent_s(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> float:
    """After so many seconds a bucket is silent; a server of a busy machine takes its time."""
    seconds = 0.3 if bucket.address.startswith("memory") else 5.0
    for module in (address, objects, spool):
        monkeypatch.setattr(module, "SILENT_S", seconds)
    return seconds


@pytest.fixture
def films(tmp_path: Path, bucket: Bucket) -> Path:
    """Address of six films, each in a folder of its own."""
    for number, colours in enumerate(FILMS):
        bucket.put(f"films/{number}/{number}.mp4", film(tmp_path / f"{number}.mp4", *colours))
    return Path(bucket.at("films"))


def cut_after(cable: Cable, files: int) -> Callable[[object], None]:
    """For the events of a run: the network is lost when so many files are done."""
    settled = []

    def follow(event: object) -> None:
        settled.extend([event] if isinstance(event, Settled) else [])
        cable.is_cut = len(settled) >= files

    return follow


def test_an_index_run_stops_once_and_goes_on_later(films: Path, bucket: Bucket, cable, tmp_path, tiny_bundle):
    library = tmp_path / "library"
    report = index_films(films, library, tiny_bundle, on_event=cut_after(cable, 2))
    assert report.interrupted
    assert 2 <= report.indexed <= 3  # one more was fetched already
    (lost,) = map(str, report.failed)
    assert f"the bucket cannot be reached any more: {bucket.address} (Network is unreachable)." in lost
    assert f"Left: {len(FILMS) - report.indexed} files. Run the same command" in lost
    assert len(cable.asked) < 10
    held = holdings(library)
    assert [each.status for each in held.values()] == ["ok"] * report.indexed
    record = read_run_record(library)
    assert record is not None
    assert record.interrupted
    assert open_library(library).search("blue").hits
    cable.is_cut = False
    again = index_films(films, library, tiny_bundle)
    assert (again.indexed, again.unchanged, again.failed) == (6 - len(held), len(held), [])
    assert len(holdings(library)) == len(FILMS)


def test_subtitles_that_came_later_stop_at_it_too(films: Path, bucket: Bucket, cable, tmp_path, tiny_bundle):
    library = tmp_path / "library"
    index_films(films, library, tiny_bundle)
    shutil.rmtree(spool_folder())
    lines = subtitles(tmp_path / "a.srt", (0.5, 1.5, "a fire engine"))
    for number in range(len(FILMS)):
        bucket.put(f"films/{number}/{number}.en.srt", lines)
    report = index_films(films, library, tiny_bundle, on_event=cut_after(cable, 1))
    assert (report.interrupted, len(report.failed)) == (True, 1)
    assert isinstance(report.failed[0], BucketLostError)
    assert f"Left: {len(FILMS) - report.resubtitled} files" in str(report.failed[0])
    cable.is_cut = False
    assert index_films(films, library, tiny_bundle).resubtitled == len(FILMS) - report.resubtitled


def test_a_film_alone_stops_nothing(films: Path, bucket: Bucket, cable, tmp_path, tiny_bundle, monkeypatch):
    read = objects.range_of

    def but_one(address: str, start: int, end: int) -> bytes:
        if address.endswith("3.mp4"):
            raise OSError(errno.EIO, "its disk is broken")
        return read(address, start, end)

    monkeypatch.setattr(spool, "range_of", but_one)
    report = index_films(films, tmp_path / "library", tiny_bundle)
    assert (report.interrupted, report.indexed) == (False, len(FILMS) - 1)
    assert "its disk is broken" in str(report.failed[0])


def test_folders_are_not_waited_for_one_by_one(films: Path, cable, monkeypatch):
    listed = objects.listing

    def once(address: str) -> list[objects.ObjectFacts]:
        found = listed(address)
        cable.is_cut = True
        return found

    monkeypatch.setattr("polyreel.remote.address.listing", once)
    with pytest.raises(UsageError, match=r"the bucket cannot be listed.*\(Network is unreachable\)"):
        scan([films])
    assert len(cable.asked) == 2


def test_listening_stops_once_and_goes_on_later(bucket: Bucket, cable, tmp_path, tiny_bundle):
    for number in range(4):
        made = tmp_path / f"{number}.mkv"
        write_sounds(made, [says("red", 0.5, 1.0 + number / 10)], seconds=2, codec="pcm_s16le")
        bucket.put(f"talks/{number}.mkv", made)
    library, talks = tmp_path / "library", Path(bucket.at("talks"))
    index_films(talks, library, tiny_bundle)
    options = {"location": str(tiny_bundle.folder), "paths": [talks]}

    def cut(now: Any) -> None:
        cable.is_cut = now.videos_done >= 1

    report = hear(library, tiny_bundle, FetchedTones(), on_progress=cut, **options)
    assert (report.interrupted, report.heard) == (True, 1)
    (lost,) = report.failed
    assert "Left: 3 files" in str(lost)
    assert len(cable.asked) < 6
    cable.is_cut = False
    again = hear(library, tiny_bundle, FetchedTones(), **options)
    assert (again.interrupted, again.heard, again.failed) == (False, 3, [])


def test_a_move_waits_for_the_network_instead_of_leaving_films_out(
    films: Path, cable, tmp_path, tiny_bundle: Bundle
):
    library = tmp_path / "library"
    index_films(films, library, tiny_bundle)
    shutil.rmtree(spool_folder())
    wide = Bundle(write_tiny_bundle(tmp_path / "wide", name="wide", spare=1, side_px=24, fps=2.0))
    options = {"location": str(wide.folder)}
    report = move_library(library, wide, workers=1, on_event=cut_after(cable, 2), **options)
    assert (report.interrupted, report.switched) == (True, False)
    (lost,) = report.left
    assert isinstance(lost, BucketLostError)
    assert "Left: " in str(lost)
    assert open_library(library).search("red").bundle == "tiny"
    with pytest.raises(BucketLostError, match="cannot be reached any more"):
        estimate_move(library, wide, **options)
    cable.is_cut = False
    again = move_library(library, wide, workers=1, **options)
    assert (again.interrupted, again.switched, again.left) == (False, True, [])
    assert again.videos + report.videos == len(FILMS)


def test_the_command_says_it_once(
    films: Path, bucket: Bucket, cable, tmp_path, tiny_bundle, capsys, monkeypatch
):
    fetched = objects.range_of
    whole = []

    def two(address: str, start: int, end: int) -> bytes:
        whole.append(address)
        cable.is_cut = len(whole) > 2
        return fetched(address, start, end)

    monkeypatch.setattr(spool, "range_of", two)
    arguments = ["index", bucket.at("films"), "--library", str(tmp_path / "library"), "--no-speech"]
    assert main([*arguments, "--bundle", str(tiny_bundle.folder), "--workers", "1"]) == 1
    said = "".join(capsys.readouterr())
    assert said.count("cannot be reached any more") == 1
    assert "Stopped: the bucket cannot be reached any more" in said
    assert "What was indexed is kept." in said
    assert "could not be read" not in said


@pytest.mark.parametrize("at", ["info", "cat_file"])
def test_a_bucket_that_says_nothing_is_not_waited_out(
    at, films: Path, cable, silent_s, tmp_path, tiny_bundle, monkeypatch
):
    cable.is_silent = True
    asked, ask = [], cable._ask

    def cut(store: Any, name: str, *given: Any, **options: Any) -> Any:
        asked.append(name)
        cable.is_cut = cable.is_cut or (asked.count("cat_file") > 2 and name == at)
        return ask(store, name, *given, **options)

    monkeypatch.setattr(cable, "_ask", cut)
    report = index_films(films, tmp_path / "library", tiny_bundle, workers=2)
    assert report.interrupted
    (lost,) = map(str, report.failed)
    assert "the bucket cannot be reached any more" in lost
    assert f"(no answer for {silent_s:.0f} s)" in lost
    assert len(holdings(tmp_path / "library")) == report.indexed < len(FILMS)
    assert answers.SILENT_S == 60


def test_the_beginning_of_an_object_is_not_waited_out(
    films: Path, bucket: Bucket, cable, silent_s, monkeypatch
):
    path, ask = place(bucket.at("films/0/0.mp4")), cable._ask
    assert path.head(4) == path.head(8)[:4]

    def silent(store: Any, name: str, *given: Any, **options: Any) -> Any:
        cable.is_silent = cable.is_cut = name == "cat_file"
        return ask(store, name, *given, **options)

    monkeypatch.setattr(cable, "_ask", silent)
    with pytest.raises(TimeoutError, match=f"no answer for {silent_s:.0f} s"):
        path.head(4)


def test_many_bytes_can_take_long(bucket: Bucket, cable, silent_s, monkeypatch):
    read = objects.range_of

    def slow(*given: Any) -> bytes:
        cable.over.wait(2.5 * silent_s)
        return read(*given)

    monkeypatch.setattr(spool, "range_of", slow)
    with local_file(place(bucket.put("a.mp4", b"a film"))) as file:
        assert file.read_bytes() == b"a film"


def test_listings_are_not_waited_out_and_can_take_long(films: Path, cable, silent_s, monkeypatch):
    cable.is_silent = True
    ask = cable._ask

    def slow(store: Any, name: str, *given: Any, **options: Any) -> Any:
        if name == "ls":
            cable.over.wait(1.5 * silent_s)
        return ask(store, name, *given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(cable, "_ask", slow)
        known = [str(each.path) for each in scan([films]).videos]
    assert len(known) == len(FILMS)
    cable.is_cut = True
    assert existing(known) == set()
    assert cable.asked == ["ls", "info", "info"]


def test_that_a_film_is_there_is_not_asked_of_one_after_the_other(films: Path, bucket: Bucket, cable):
    """As readers of a cluster are started, which look for a film that their node has to see."""
    paths = [place(bucket.at(f"films/{number}/{number}.mp4")) for number in range(len(FILMS))]
    bucket.remove("films/0/0.mp4")
    assert first_there(paths) == paths[1]
    assert first_there(paths[:1]) is None
    cable.is_cut = True
    with pytest.raises(BucketLostError, match="Network is unreachable"):
        first_there(paths)
    assert len(cable.asked) < 5


def test_what_the_packages_log_of_it_is_not_shown():
    """In a process whose logs nobody handles: gcsfs logs a traceback of each question that it gives up."""
    pytest.importorskip("fsspec")
    program = (
        "import logging; from polyreel.remote import objects; objects._store('memory')\n"
        "logging.getLogger('gcsfs').error('out of retries'); logging.getLogger('polyreel').error('told')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "told\n"
