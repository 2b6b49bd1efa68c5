"""Features of a corpus: written whole or not at all, mapped, and made by a bundle in several runs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from made_records import many, numbered, record
from written import fails

from polyreel.datasets.records import Frames, VideoFile
from polyreel.datasets.store import bundle_features as making
from polyreel.datasets.store import feature_writer as keeping
from polyreel.datasets.store.bundle_features import add_bundle_features, bundle_features_name
from polyreel.datasets.store.feature_writer import write_features
from polyreel.datasets.store.manifest import read_manifest
from polyreel.datasets.store.table import open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.media.jpeg import encode_jpeg
from tiny_bundle import PALETTE
from videos import scenes, solid, truncate, write_video


@pytest.fixture
def records():
    return many(40)


@pytest.fixture
def folder(tmp_path, records):
    write_table(tmp_path / "t", records, name="made")
    return tmp_path / "t"


def test_each_clip_has_its_own_rows(folder, records, monkeypatch):
    monkeypatch.setattr(keeping, "SHARD_BYTES", 64)  # several shards
    write_features(folder, "numbers", reversed(numbered(records)), dim=4, rate_hz=1.0)
    table = open_table(folder)
    store = table.features("numbers")
    assert (store.dim, store.rate_hz, dict(store.broken)) == (4, 1.0, {})
    for index in range(40):
        rows = store.of(index)
        assert rows.shape == (index % 4, 4)
        assert rows.dtype == np.float16
        assert (rows == index).all()
    assert not store.of(3).flags.writeable
    facts = table.manifest.features["numbers"]
    assert (facts.clips, facts.rows, facts.rate_hz) == (30, 60, 1.0)
    assert sum("shard-" in name for name in facts.files) > 1
    table.verify()


def test_a_clip_without_features_has_no_rows(folder, records):
    write_features(folder, "some", numbered(records)[2:3], dim=4, rate_hz=None)
    store = open_table(folder).features("some")
    assert store.rate_hz is None
    assert [store.of(index).shape for index in (1, 2)] == [(0, 4), (2, 4)]


def test_features_are_read_ahead_in_shuffled_order(folder, records):
    write_features(folder, "numbers", numbered(records), dim=4, rate_hz=1.0)
    table = open_table(folder)
    store = table.features("numbers")
    order = list(table.shuffled("train", seed=0, epoch=0))
    assert [int(store.of(index).sum()) for index in order] == [4 * (index % 4) * index for index in order]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (
            ("v00001@0000000000", np.zeros((1, 5))),
            ("wrong shape", "v00001@0000000000", "(1, 5), not (rows, 4)"),
        ),
        (("v00001@0000000000", np.zeros(4)), ("wrong shape", "v00001@0000000000")),
        (("v00001@0000000000", np.full((1, 4), np.nan)), ("not finite", "v00001@0000000000", "4 numbers")),
        (("v00001@0000000000", np.full((1, 4), 1e6)), ("too large for float16", "v00001@", "1000000.0")),
        (("v00000@0000000000", np.zeros((1, 4))), ("come twice", "v00000@0000000000")),
        (("nobody@0000000000", np.zeros((1, 4))), ("no such clip", "nobody@0000000000")),
    ],
    ids=["width", "flat", "nan", "large", "twice", "unknown"],
)
def test_features_that_cannot_be_are_named_and_the_old_ones_stay(folder, records, bad, said):
    write_features(folder, "numbers", numbered(records), dim=4, rate_hz=1.0)
    before = read_manifest(folder)
    first = numbered(records)[:1]
    fails(lambda: write_features(folder, "numbers", [*first, bad], dim=4, rate_hz=1.0), *said)
    assert read_manifest(folder) == before
    assert not list(folder.glob(".writing-*"))
    open_table(folder).verify()


def test_a_name_that_could_lead_elsewhere_is_refused(folder):
    fails(lambda: write_features(folder, "../x", [], dim=4, rate_hz=1.0), "no name for features", "'../x'")


def test_features_are_replaced_and_kept_with_the_clips_they_belong_to(folder, records):
    write_features(folder, "numbers", numbered(records), dim=4, rate_hz=1.0)
    write_features(folder, "numbers", numbered(records, dim=2), dim=2, rate_hz=1.0)
    write_features(folder, "others", numbered(records, dim=3), dim=3, rate_hz=1.0)
    assert len(list((folder / "features").iterdir())) == 2
    assert open_table(folder).features("numbers").dim == 2
    spoken = [record(r.clip.video, "another text", split=r.split) for r in records]
    assert set(write_table(folder, spoken, name="made").features) == {"numbers", "others"}
    assert open_table(folder).features("others").of(3).shape == (3, 3)
    assert write_table(folder, records[::-1], name="made").features == {}
    assert not list((folder / "features").iterdir())


def test_a_shard_cut_short_is_named(folder, records):
    write_features(folder, "numbers", numbered(records), dim=4, rate_hz=1.0)
    (shard,) = (folder / "features").rglob("shard-*.npy")
    truncate(shard, 0.9)
    fails(lambda: open_table(folder), "cut short", shard)


def test_a_shard_that_is_gone_after_opening_is_named(folder, records):
    write_features(folder, "numbers", numbered(records), dim=4, rate_hz=1.0)
    store = open_table(folder).features("numbers")
    (shard,) = (folder / "features").rglob("shard-*.npy")
    shard.unlink()
    fails(lambda: store.of(3), "cannot be read", shard)


@pytest.fixture
def seen(tmp_path):
    """A corpus whose media are colours."""
    for name in ("red", "green", "blue"):
        (tmp_path / f"{name}.jpg").write_bytes(encode_jpeg(solid(PALETTE[name])(0)))
    film = tmp_path / "film.mp4"
    parts = scenes((4.0, solid(PALETTE["red"])), (8.0, solid(PALETTE["blue"])))
    write_video(film, seconds=8, fps=5, picture=parts)
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    photos, whole, broken = (
        Frames(tmp_path, ("red.jpg", "green.jpg")),
        VideoFile(film),
        VideoFile(tmp_path / "broken.mp4"),
    )
    records = [
        record("photos", media=photos),
        record("film", media=whole, start_s=0, end_s=4),
        record("film", media=whole, start_s=4.5, end_s=8),
        record("film", media=whole, start_s=2.2, end_s=2.6),
        record("film", media=whole, start_s=20, end_s=24),
        record("text"),
        record("broken", media=broken),
        record("broken-photo", media=Frames(tmp_path, ("red.jpg", "broken.jpg"))),
        record("whole", media=whole, start_s=0, end_s=0),
    ]
    write_table(tmp_path / "t", records, name="colours")
    return tmp_path / "t"


def test_a_bundle_sees_the_pictures_of_each_clip(seen, tiny_bundle):
    told = []
    name = add_bundle_features(seen, tiny_bundle, progress=lambda done, total: told.append((done, total)))
    assert name == bundle_features_name(tiny_bundle)
    table = open_table(seen)
    store = table.features(name)
    assert [len(store.of(index)) for index in range(9)] == [2, 4, 3, 1, 0, 0, 0, 0, 8]
    assert store.rate_hz == tiny_bundle.card.frames.fps
    red, green, blue = (np.array(PALETTE[name]) / 255 for name in ("red", "green", "blue"))
    for rows, expected in ((0, [red, green]), (1, [red] * 4), (2, [blue] * 3), (3, [red])):
        assert np.abs(store.of(rows) - np.array(expected)).max() < 0.02
    assert set(store.broken) == {"film@0000020000", "broken@0000000000", "broken-photo@0000000000"}
    assert "ends before" in store.broken["film@0000020000"]
    assert "broken.jpg" in store.broken["broken-photo@0000000000"]
    assert told[-1] == (9, 9)
    assert {path.suffix for path in (seen / "features").rglob("*") if path.is_file()} == {".npy", ".json"}
    assert set(table.manifest.all_files()) >= {
        path.relative_to(seen).as_posix() for path in (seen / "features").rglob("*") if path.is_file()
    }
    assert add_bundle_features(seen, tiny_bundle, progress=lambda *_: pytest.fail("made twice")) == name


def test_making_features_goes_on_after_the_last_finished_part(seen, tmp_path, tiny_bundle, monkeypatch):
    monkeypatch.setattr(making, "_PART_S", 0.0)  # every clip is a part

    def stop(done, _total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_bundle_features(seen, tiny_bundle, progress=stop)
    assert read_manifest(seen).features == {}
    (work,) = (seen / "features").glob(".growing-*")
    assert len(list(work.glob("part-*.json"))) == 3
    truncate(work / "shard-00001.npy", 0.5)  # as a failing disk might leave it
    monkeypatch.setattr(making, "_PART_S", 60.0)  # the next parts are larger than those that are left
    told = []
    name = add_bundle_features(seen, tiny_bundle, progress=lambda done, _: told.append(done))
    assert told == [2, 3, 4, 5, 6, 7, 8, 9]
    shards = [path for path in read_manifest(seen).features[name].files if "shard" in path]
    assert len(shards) == 2
    store = open_table(seen).features(name)
    assert [len(store.of(index)) for index in range(9)] == [2, 4, 3, 1, 0, 0, 0, 0, 8]
    assert not list((seen / "features").glob(".*"))
    open_table(seen).verify()


def test_features_of_another_image_tower_have_another_name(tiny_bundle, tmp_path):
    card = tiny_bundle.card
    changed = [
        card.model_copy(update={"files": {**card.files, "frames.onnx": "0" * 64}}),
        card.model_copy(update={"frames": card.frames.model_copy(update={"fps": 2.0})}),
        card.model_copy(update={"files": {**card.files, "frames.onnx.data": "0" * 64}}),
        card.model_copy(update={"files": {**card.files, "frames.onnx.data": "1" * 64}}),
    ]
    same = card.model_copy(update={"files": {**card.files, "text.onnx": "0" * 64}})
    names = []
    for number, other in enumerate([*changed, same]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "bundle.json").write_text(other.model_dump_json())
        names.append(bundle_features_name(type(tiny_bundle)(folder)))
    own = bundle_features_name(tiny_bundle)
    assert own == names.pop()  # another text tower sees the same
    assert all(a != b for a, b in itertools.combinations([own, *names], 2))
