"""Clips of one source stay on one side of every split, half and fold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_records import many, record
from written import fails

from polyreel.datasets.readers.msrvtt_frames import msrvtt_frames_records
from polyreel.datasets.sources import split_by_source
from polyreel.datasets.store.manifest import read_manifest
from polyreel.datasets.store.table import open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.errors import UnknownNameError, UsageError
from polyreel.problems import Missing


def table_of(folder, records):
    write_table(folder, records, name="made")
    return open_table(folder)


def cut_from(source, *args, **keywords):
    return replace(record(*args, **keywords), source=source)


@pytest.fixture
def table(tmp_path):
    """Two hundred training clips of forty uploads, of which three have clips in dev or test."""
    train = [cut_from(f"upload {number // 5}", f"v{number:03d}", "x") for number in range(200)]
    others = [
        cut_from("upload 3", "d0", "x", split="dev"),
        cut_from("upload 39", "d1", "x", split="dev"),
        cut_from("upload 0", "t0", "x", split="test"),
        record("t1", "x", split="test"),
    ]
    return table_of(tmp_path, [*others[:1], *train, *others[1:]])


def sources(table, rows):
    return {table.source(int(row)) for row in rows}


def test_clips_that_share_a_source_with_dev_or_test_are_left_out(table):
    found = split_by_source(table)
    assert sources(table, found.left_out) == {"upload 0", "upload 3", "upload 39"}
    assert len(found.left_out) == 15
    assert len(found.rows) == 185
    assert sources(table, found.rows).isdisjoint(sources(table, found.left_out))
    assert found.without == ("dev", "test")
    assert len(split_by_source(table, without=["dev"]).left_out) == 10
    assert len(split_by_source(table, without=[]).left_out) == 0
    assert sources(table, split_by_source(table, "dev", without=["train", "dev"]).rows) == set()
    fails(lambda: split_by_source(table, "trian"), "Did you mean 'train'?", kind=UnknownNameError)


def test_halves_and_folds_share_no_source_and_together_are_everything(table):
    found = split_by_source(table)
    for parts in (found.halves(), found.folds(5), found.folds(2, seed=1)):
        assert sorted(row for part in parts for row in part.tolist()) == found.rows.tolist()
        assert sum(len(sources(table, part)) for part in parts) == len(sources(table, found.rows))
        assert all(len(part) > 0 for part in parts)
    assert [part.tolist() for part in found.halves()] == [part.tolist() for part in found.halves(seed=0)]
    assert [part.tolist() for part in found.halves()] != [part.tolist() for part in found.halves(seed=1)]
    fails(lambda: found.folds(1), "two folds or more", kind=UsageError)


def test_a_division_does_not_depend_on_what_else_there_is(table, tmp_path):
    first, second = split_by_source(table).halves()
    half = {table.clip(int(row)).video: part for part, rows in enumerate((first, second)) for row in rows}
    kept = [table.record(int(row)) for row in split_by_source(table).rows[::-2]]
    fewer = table_of(tmp_path / "fewer", kept)
    for part, rows in enumerate(split_by_source(fewer).halves()):
        assert {half[fewer.clip(int(row)).video] for row in rows} == {part}


def test_clips_of_one_video_or_concept_are_of_one_part(tmp_path):
    two = [record(f"film {n // 2}", "x", start_s=n % 2, end_s=9) for n in range(60)]
    alike = [record(f"photo {n}", "x", concept=f"dog {n % 30}") for n in range(60)]
    table = table_of(tmp_path, [*two, *alike])
    for part in split_by_source(table).folds(3):
        names = [(table.clip(row).video, table.concept(row)) for row in map(int, part)]
        films = [video for video, concept in names if not concept]
        concepts = [concept for _, concept in names if concept]
        assert {films.count(name) for name in films} == {2}
        assert {concepts.count(name) for name in concepts} == {2}


def test_without_sources_of_its_own_a_table_has_no_file_of_them(tmp_path):
    plain = table_of(tmp_path / "plain", many(10))
    assert not plain.manifest.knows_sources
    assert plain.source(3) == "v00003"
    told = table_of(tmp_path / "told", [replace(r, source="all") for r in many(10)])
    assert told.manifest.knows_sources
    assert told.source(3) == "all"
    assert told.record(3).source == "all"
    assert told.manifest.clips_sha256 == plain.manifest.clips_sha256, "features stay"
    told.verify()
    again = write_table(tmp_path / "told", many(10), name="made")
    assert read_manifest(tmp_path / "told") == again
    assert not list((tmp_path / "told").rglob("sources.arrow"))


def test_msrvtt_frames_share_no_upload_between_train_and_dev(shared_data, tmp_path):
    """102 of the 324 dev videos are of an upload that train has, too."""
    folder = shared_data / "msrvtt-frames"
    if not (folder / "videos.jsonl").is_file():
        pytest.skip(f"no MSR-VTT frames in {shared_data}")
    records = [r for r in msrvtt_frames_records(folder) if not isinstance(r, Missing)]
    table = table_of(tmp_path, records)
    found = split_by_source(table)
    assert (len(found.rows), len(found.left_out)) == (3_787, 122)
    assert sources(table, found.rows).isdisjoint(sources(table, table.rows("dev")))
    shared = split_by_source(table, "dev", without=["train"])
    assert len(shared.left_out) == 102
    a, b = found.halves()
    assert abs(len(a) - len(b)) < 200
    assert sources(table, a).isdisjoint(sources(table, b))
