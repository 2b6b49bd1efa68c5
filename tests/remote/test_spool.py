"""Objects of a bucket as files of this disk."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time

import pytest

from buckets import Bucket, silence
from polyreel.errors import UsageError
from polyreel.remote import objects, spool
from polyreel.remote.address import BucketPath, place
from polyreel.remote.answers import FetchStopped
from polyreel.remote.spool import ObjectChangedError, local_file, spool_folder

RANGE = 1 << 10
# More than one range, and a part of one.
CONTENT = bytes(range(256)) * 18


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch):
    monkeypatch.setattr(spool, "_RANGE_BYTES", RANGE)


@pytest.fixture
def asked(monkeypatch) -> list[tuple[int, int]]:
    """The ranges that are asked for."""
    ranges: list[tuple[int, int]] = []
    read = objects.range_of

    def noted(address: str, start: int, end: int) -> bytes:
        ranges.append((start, end))
        return read(address, start, end)

    monkeypatch.setattr(spool, "range_of", noted)
    return ranges


def kept() -> list[str]:
    """Names of the films that lie in the spool."""
    return sorted(file.name for file in spool_folder().glob("*/files/*"))


def test_a_file_of_this_machine_is_itself(tmp_path):
    with local_file(tmp_path / "a.mp4") as file:
        assert file is not None
        assert file == tmp_path / "a.mp4"
    assert not spool_folder().exists()


def test_an_object_is_fetched_once_by_ranges(bucket: Bucket, asked):
    address = bucket.put("films/a é #1?.mp4", CONTENT)
    for _ in range(2):
        with local_file(place(address)) as file:
            assert file.name == "a é #1?.mp4"
            assert file.read_bytes() == CONTENT
            assert file.is_relative_to(spool_folder())
    assert asked == [(start, min(start + RANGE, len(CONTENT))) for start in range(0, len(CONTENT), RANGE)]
    assert spool_folder().stat().st_mode & 0o077 == 0


def test_an_empty_object_is_an_empty_file(bucket: Bucket):
    with local_file(place(bucket.put("films/empty.mp4", b""))) as file:
        assert file.read_bytes() == b""


def test_a_replaced_object_is_another_file(bucket: Bucket):
    address = bucket.put("a.mp4", CONTENT)
    with local_file(place(address)) as before:
        bucket.put("a.mp4", CONTENT[::-1])
        with local_file(place(address)) as after:
            assert after.read_bytes() == CONTENT[::-1]
            assert before.read_bytes() == CONTENT


def test_an_object_that_is_replaced_while_it_is_fetched_is_refused(bucket: Bucket, monkeypatch):
    address = bucket.put("a.mp4", CONTENT)
    read = objects.range_of

    def replacing(address: str, start: int, end: int) -> bytes:
        if start == RANGE:
            bucket.put("a.mp4", CONTENT[::-1])
        return read(address, start, end)

    monkeypatch.setattr(spool, "range_of", replacing)
    with pytest.raises(ObjectChangedError, match="replaced while it was read"), local_file(place(address)):
        pytest.fail("it is of two objects")
    assert kept() == []
    monkeypatch.setattr(spool, "range_of", read)
    with local_file(place(address)) as file:
        assert file.read_bytes() == CONTENT[::-1]


def test_what_was_fetched_before_the_network_failed_is_not_fetched_again(bucket: Bucket, asked, monkeypatch):
    address = bucket.put("a.mp4", CONTENT)
    read, tries = spool.range_of, []

    def failing(address: str, start: int, end: int) -> bytes:
        if start == 2 * RANGE:
            tries.append(start)
            raise OSError(5, "the connection was reset")
        return read(address, start, end)

    monkeypatch.setattr(spool, "range_of", failing)
    monkeypatch.setattr(spool, "_PATIENCE_S", 0.01)
    with pytest.raises(OSError, match="the connection was reset"), local_file(place(address)):
        pytest.fail("it is not whole")
    assert len(tries) == 3
    asked.clear()
    monkeypatch.setattr(spool, "range_of", read)
    with local_file(place(address)) as file:
        assert file.read_bytes() == CONTENT
    assert asked[0] == (2 * RANGE, 3 * RANGE)


def test_a_short_answer_is_asked_for_again(bucket: Bucket, monkeypatch):
    address = bucket.put("a.mp4", CONTENT)
    read, answers = objects.range_of, []

    def short_once(address: str, start: int, end: int) -> bytes:
        answers.append(start)
        return read(address, start, end)[: 10 if len(answers) == 1 else None]

    monkeypatch.setattr(spool, "range_of", short_once)
    with local_file(place(address)) as file:
        assert file.read_bytes() == CONTENT
    assert answers[:2] == [0, 0]


def test_what_was_used_longest_ago_goes_first_and_nothing_that_is_read(bucket: Bucket, monkeypatch):
    monkeypatch.setenv("POLYREEL_BUCKET_CACHE_GB", str(2.5 * len(CONTENT) / 1e9))
    places = [place(bucket.put(f"{name}.mp4", CONTENT)) for name in "abcd"]
    with local_file(places[0]) as held:
        for other in places[1:3]:
            with local_file(other):
                time.sleep(0.02)
        with local_file(places[3]):
            assert kept() == ["a.mp4", "d.mp4"]
        assert held.read_bytes() == CONTENT
    with local_file(places[3]):
        time.sleep(0.02)
    with local_file(places[1]):
        assert kept() == ["b.mp4", "d.mp4"]


def test_an_object_beyond_the_bound_is_gone_after_its_use(bucket: Bucket, monkeypatch):
    monkeypatch.setenv("POLYREEL_BUCKET_CACHE_GB", "0")
    with local_file(place(bucket.put("a.mp4", CONTENT))) as file:
        assert file.read_bytes() == CONTENT
    assert list(spool_folder().iterdir()) == []


def test_a_bound_that_is_no_number_is_refused(bucket: Bucket, monkeypatch):
    monkeypatch.setenv("POLYREEL_BUCKET_CACHE_GB", "much")
    with (
        pytest.raises(UsageError, match=r"POLYREEL_BUCKET_CACHE_GB is no number of gigabytes.*'much'"),
        local_file(place(bucket.put("a.mp4", CONTENT))),
    ):
        pytest.fail("how much is much?")


def test_a_full_disk_is_said_before_anything_is_fetched(bucket: Bucket, asked, monkeypatch):
    address = bucket.put("a.mp4", CONTENT)
    monkeypatch.setattr(spool, "_free_bytes", lambda: 300 << 20)
    monkeypatch.setattr(spool, "_RESERVE_BYTES", 300 << 20)
    with (
        pytest.raises(OSError, match=r"0\.0 GB have to be fetched, and 0\.0 GB are free in .*POLYREEL_CACHE"),
        local_file(place(address)),
    ):
        pytest.fail("there is no room")
    assert asked == []


def test_files_beside_come_anew_and_cost_nothing_but_themselves(bucket: Bucket):
    address = bucket.put("films/a.mp4", CONTENT)
    bucket.put("films/a.de.srt", b"eins")
    beside = ["a.de.srt", "gone.srt"]
    with local_file(place(address), beside=beside) as file:
        assert file.with_name("a.de.srt").read_bytes() == b"eins"
        assert not file.with_name("gone.srt").exists()
    bucket.put("films/a.de.srt", b"zwei")
    with local_file(place(address), beside=beside) as file:
        assert file.with_name("a.de.srt").read_bytes() == b"zwei"
    assert kept() == ["a.de.srt", "a.mp4"]


def test_fetching_can_be_stopped(bucket: Bucket):
    stop = threading.Event()
    stop.set()
    with pytest.raises(FetchStopped), local_file(place(bucket.put("a.mp4", CONTENT)), stop=stop):
        pytest.fail("it was not wanted")


@pytest.mark.parametrize("silent", ["facts_of", "range_of"])
def test_nobody_who_stops_waits_for_a_bucket_that_is_silent(bucket: Bucket, monkeypatch, silent):
    address = bucket.put("a.mp4", CONTENT)
    stop, begun = threading.Event(), time.monotonic()
    with silence(monkeypatch, silent, stop):
        with pytest.raises(FetchStopped), local_file(place(address), stop=stop):
            pytest.fail("it was not wanted")
        assert time.monotonic() - begun < 30


def test_what_is_not_there_and_what_is_a_folder_are_refused(bucket: Bucket):
    bucket.put("films/a.mp4", CONTENT)
    with pytest.raises(FileNotFoundError, match="nothing lies there"), local_file(place(bucket.at("b.mp4"))):
        pytest.fail("nothing is there")
    with pytest.raises(IsADirectoryError), local_file(place(bucket.at("films"))):
        pytest.fail("it is a folder")
    assert kept() == []


def test_threads_that_want_the_same_object_fetch_it_once(bucket: Bucket, asked):
    address, seen = bucket.put("a.mp4", CONTENT), []

    def read() -> None:
        with local_file(place(address)) as file:
            seen.append(file.read_bytes())

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [CONTENT] * 8
    assert len(asked) == -(-len(CONTENT) // RANGE)


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["20", "0"])
def test_processes_that_want_the_same_object_all_have_it(endpoint, monkeypatch, bound):
    from buckets import s3_bucket

    monkeypatch.setenv("POLYREEL_BUCKET_CACHE_GB", bound)
    address = s3_bucket(endpoint, monkeypatch).put("a.mp4", CONTENT * 1000)
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        assert set(pool.map(_size, [address] * 16)) == {len(CONTENT) * 1000}
    assert len(kept()) == (bound != "0")


def _size(address: str) -> int:
    with local_file(place(address)) as file:
        return len(file.read_bytes())


def test_a_kill_leaves_what_the_next_one_goes_on_with(bucket: Bucket, asked, monkeypatch):
    address = bucket.put("a.mp4", CONTENT)

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", killed)
        with contextlib.suppress(KeyboardInterrupt), local_file(place(address)):
            pytest.fail("it was interrupted")
    (part,) = spool_folder().glob("*/part")
    part.write_bytes(CONTENT[: RANGE + 7])  # what came behind a whole range need not be right
    asked.clear()
    with local_file(place(address)) as file:
        assert file.read_bytes() == CONTENT
    assert asked[0] == (RANGE, 2 * RANGE)


def test_names_lead_nowhere_else(bucket: Bucket):
    with pytest.raises(OSError, match="cannot be that of a file"), local_file(BucketPath(bucket.at("a/.."))):
        pytest.fail("it is no file")
    assert not spool_folder().exists()
