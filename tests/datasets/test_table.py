"""A corpus on disk: everything comes back, in order and out of it, and nothing half-written is ever seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import files_below, many, record
from written import NFC, NFD, fails

from polyreel.clips import Caption, Clip
from polyreel.datasets.records import Frames, Record, VideoFile
from polyreel.datasets.store.manifest import DataSource, read_manifest, writing
from polyreel.datasets.store.shuffling import BLOCK_ROWS, WINDOW_BLOCKS, shuffled_windows
from polyreel.datasets.store.table import open_table
from polyreel.datasets.store.table_writer import BATCH_ROWS, write_table
from polyreel.errors import UnknownNameError
from polyreel.problems import Missing

CREATED = "created"


@pytest.fixture
def mixed() -> list[Record]:
    """All that a record can be."""
    return [
        Record(
            Clip("film", 1.5, 4.25),
            (
                Caption("a dog", "en", 1.5, 4.25, CREATED),
                Caption("un chien", "fr", 1.5, 3.0, "machine-translated"),
                Caption("un chien", "fr", 1.5, 3.0, "human-translated"),
                Caption("狗", "zh", 1.5, 4.25),
            ),
            "train",
            VideoFile(Path("/videos/film.mp4")),
        ),
        Record(Clip("film", 4.25, 9.0), (), "train", VideoFile(Path("/videos/film.mp4")), "dogs"),
        Record(
            Clip("photo.jpg", 0.0, 0.0),
            (Caption("ein Hund", "de", 0, 0, CREATED),),
            "dev",
            Frames(Path("/photos"), ("a.zip!1.jpg", "a.zip!2.jpg")),
            "dogs",
        ),
        Record(Clip("text-only", 0.0, 1.0), (Caption("?", "und", 0, 1, "found"),), "test"),
    ]


def test_every_record_comes_back_as_it_was(tmp_path, mixed):
    write_table(tmp_path / "t", iter(mixed), name="mixed")
    table = open_table(tmp_path / "t")
    assert len(table) == 4
    assert [table.record(index) for index in range(4)] == mixed
    assert [table.index_of(r.clip.clip_id) for r in mixed] == [0, 1, 2, 3]
    assert [table.rows(split).tolist() for split in table.splits] == [[0, 1], [2], [3]]


def test_the_manifest_counts_what_is_there_and_what_is_not(tmp_path, mixed):
    source = DataSource(name="s", licence="CC0-1.0", origin="here", sha256="0" * 64)
    gone = [Missing(f"x{number}", "no picture") for number in range(5)]
    told = []
    written = write_table(
        tmp_path,
        [*mixed, *gone, Missing("y", "no caption")],
        name="mixed",
        sources=[source],
        progress=told.append,
    )
    manifest = read_manifest(tmp_path)
    assert manifest == written
    assert manifest.clips == {"train": 2, "dev": 1, "test": 1}
    assert manifest.captions["train"] == {"en": 1, "fr": 2, "zh": 1}
    assert manifest.without_media == 1
    assert manifest.sources == (source,)
    assert [(out.reason, out.count, out.examples) for out in manifest.left_out] == [
        ("no picture", 5, ("x0", "x1", "x2")),
        ("no caption", 1, ("y",)),
    ]
    assert set(manifest.all_files()) == files_below(tmp_path) - {"manifest.json", ".lock"}
    assert told == [4]


def test_rows_are_found_across_batches(tmp_path):
    count = BATCH_ROWS + 10
    records = (record(f"v{number}", f"text {number}", split=f"s{number % 3}") for number in range(count))
    table = open_table_of(tmp_path, records)
    for index in (0, BATCH_ROWS - 1, BATCH_ROWS, count - 1):
        assert table.clip(index).video == f"v{index}"
        assert [caption.text for caption in table.captions(index)] == [f"text {index}"]
        assert table.index_of(f"v{index}@0000000000") == index
    assert sum(len(table.rows(split)) for split in table.splits) == count
    assert table.rows("s1")[-1] % 3 == 1
    table.verify()


def open_table_of(folder, records, name="made"):
    write_table(folder, records, name=name)
    return open_table(folder)


def test_texts_are_composed(tmp_path):
    table = open_table_of(tmp_path, [record("v", NFD, language="vi")])
    assert table.captions(0)[0].text == NFC


def test_what_is_not_there_is_named(tmp_path):
    table = open_table_of(tmp_path, many(10))
    fails(lambda: table.index_of("v99999@0000000000"), "no such clip", "v99999@0000000000")
    fails(lambda: table.rows("trian"), "Did you mean 'train'?", kind=UnknownNameError)
    fails(lambda: table.features("frames"), "no kind of features", kind=UnknownNameError)
    with pytest.raises(IndexError, match="10 clips"):
        table.clip(10)
    with pytest.raises(IndexError):
        table.captions(-1)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (record("v00003"), ("comes twice", "v00003@0000000000", "records 4 and 11")),
        (record("w", "x", language="xx"), ("unknown language code", "w@0000000000", "'xx'", "BCP-47")),
        (record("w", "x", language="eng"), ("unknown language code", "'eng'", "Write 'en'")),
        (record("w", "x", language="english"), ("unknown language code", "'english'")),
        (record("w", " "), ("empty caption", "w@0000000000")),
        (record("w", "half \ud83d"), ("surrogate", "w@0000000000")),
        (record("w", media=Frames(Path("/photos"), ())), ("media without", "w@0000000000")),
        (record("w", "x", split=""), ("without a split", "w@0000000000")),
        (record("w", end_s=float("inf")), ("without an end", "w@0000000000")),
        (
            Record(Clip("w", 0, 1), (Caption("x", "en", 2, 1),)),
            ("times cannot be", "w@0000000000", "2 to 1 s"),
        ),
        (
            Record(Clip("w", 0, 1), (Caption("x", "en", 0, 1, "guessed"),)),
            ("unknown sample_creation", "w@0000000000", "'guessed'"),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_record_that_cannot_be_is_named_and_the_old_corpus_stays(tmp_path, bad, said):
    table = open_table_of(tmp_path, many(3))
    before = files_below(tmp_path)
    fails(lambda: write_table(tmp_path, [*many(10), bad], name="made"), *said)
    assert files_below(tmp_path) == before
    assert open_table(tmp_path).manifest == table.manifest


def test_a_corpus_of_nothing_is_refused_with_the_reason(tmp_path):
    fails(lambda: write_table(tmp_path, [], name="made"), "not one clip")
    gone = [Missing("a", "no picture")]
    fails(lambda: write_table(tmp_path, gone, name="made"), "not one clip", "1 were left out", "no picture")
    fails(lambda: open_table(tmp_path), "no table of a dataset is here", tmp_path)


def test_clips_whose_ids_hash_alike_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr("polyreel.datasets.store.table_writer.hash_id", lambda clip_id: len(clip_id))
    monkeypatch.setattr("polyreel.datasets.store.table.hash_id", lambda clip_id: len(clip_id))
    records = many(40)
    table = open_table_of(tmp_path, records)
    assert [table.index_of(r.clip.clip_id) for r in records] == list(range(40))
    fails(lambda: table.index_of("v00040@0000000000"), "no such clip")
    fails(lambda: write_table(tmp_path, [*records, records[7]], name="made"), "comes twice", "v00007@")


def test_a_new_version_replaces_the_old_one_only_when_it_is_complete(tmp_path):
    old = open_table_of(tmp_path, many(20))

    def breaks_off():
        yield from many(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_table(tmp_path, breaks_off(), name="made")
    assert open_table(tmp_path).manifest == old.manifest
    new = open_table_of(tmp_path, many(30))
    assert old.clip(19).video == "v00019"  # who had it open reads on
    assert len(new) == 30
    assert not list(tmp_path.glob(".writing-*"))
    assert len(list(tmp_path.glob("data-*"))) == 1


def test_equal_content_has_an_equal_version_and_changes_nothing(tmp_path):
    first = write_table(tmp_path / "a", many(20), name="made")
    assert write_table(tmp_path / "b", many(20), name="made").version == first.version
    written_at = (tmp_path / "a" / first.data_folder / "clips.arrow").stat().st_mtime_ns
    assert write_table(tmp_path / "a", many(20), name="made") == first
    assert (tmp_path / "a" / first.data_folder / "clips.arrow").stat().st_mtime_ns == written_at
    moved = [replace(r, captions=()) for r in many(20)]
    assert write_table(tmp_path / "b", moved, name="made").version != first.version


def test_what_a_killed_run_left_is_cleared_away(tmp_path):
    (tmp_path / ".writing-abc" / "work").mkdir(parents=True)
    open_table_of(tmp_path, many(3))
    assert not (tmp_path / ".writing-abc").exists()


def test_two_do_not_write_at_once(tmp_path):
    with writing(tmp_path):
        fails(lambda: write_table(tmp_path, many(3), name="made"), "another process is writing", tmp_path)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "f").write_text("")
    fails(lambda: write_table(tmp_path / "f", many(3), name="made"), "a file is where", tmp_path / "f")


def test_damage_is_found(tmp_path):
    table = open_table_of(tmp_path, many(200))
    path = tmp_path / table.manifest.data_folder / "captions.arrow"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    fails(lambda: open_table(tmp_path), "cut short", path, "polyreel data build")
    path.write_bytes(whole.replace(b"clip number 77", b"clip number 78"))
    fails(open_table(tmp_path).verify, "damaged", path, "sha256")
    path.unlink()
    fails(lambda: open_table(tmp_path), "missing", path)
    # Building it anew mends it, although the version is the same.
    write_table(tmp_path, many(200), name="made")
    open_table(tmp_path).verify()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"colour": "red"}, "colour"),
        ({"clips": {"train": -1}}, "clips.train"),
        ({"clips": {"train": 7}}, "do not belong together"),
    ],
)
def test_another_schema_is_refused(tmp_path, change, said):
    open_table_of(tmp_path, many(3))
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    fails(lambda: open_table(tmp_path), said, tmp_path)


def shuffled(table, **at):
    return list(table.shuffled("train", **at))


def test_an_epoch_has_every_clip_once_in_an_order_of_its_own(tmp_path):
    table = open_table_of(tmp_path, many(3 * BLOCK_ROWS))
    first = shuffled(table, seed=1, epoch=0)
    assert sorted(first) == table.rows("train").tolist()
    assert shuffled(table, seed=1, epoch=0) == first
    others = [
        shuffled(table, seed=1, epoch=1),
        shuffled(table, seed=2, epoch=0),
        table.rows("train").tolist(),
    ]
    assert all(sorted(other) == sorted(first) and other != first for other in others)


@given(
    count=st.integers(0, 3 * BLOCK_ROWS * WINDOW_BLOCKS),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 100),
)
def test_an_interrupted_epoch_goes_on_where_it_was(count, share, seed, epoch):
    rows = np.arange(count, dtype=np.int64) * 3
    start = round(share * count)

    def order(start):
        windows = shuffled_windows(rows, seed=seed, epoch=epoch, start=start)
        return np.concatenate([np.zeros(0, np.int64), *windows])

    whole = order(0)
    assert np.array_equal(np.sort(whole), rows)
    assert np.array_equal(order(start), whole[start:])


def test_neighbours_on_the_disk_stay_near_in_time():
    """Each window is made of whole blocks, so that what it needs from the disk are few long stretches."""
    rows = np.arange(4 * BLOCK_ROWS * WINDOW_BLOCKS, dtype=np.int64)
    windows = list(shuffled_windows(rows, seed=0, epoch=0))
    assert len(windows) == 4
    for window in windows:
        stretches = 1 + (np.diff(np.sort(window)) > 1).sum()
        assert stretches <= WINDOW_BLOCKS
        # Mixed within: consecutive clips come from blocks far apart.
        assert np.median(np.abs(np.diff(window))) > 10 * BLOCK_ROWS


def test_a_start_beyond_the_end_is_refused(tmp_path):
    table = open_table_of(tmp_path, many(10))
    assert shuffled(table, seed=0, epoch=0, start=8) == []
    with pytest.raises(ValueError, match="between 0 and 8"):
        shuffled(table, seed=0, epoch=0, start=9)
