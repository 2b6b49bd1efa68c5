import io
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from made_records import record
from written import fails, write

from polyreel.clips import Clip
from polyreel.datasets.store.feature_files import FeatureFiles, add_feature_files, features_of_clips
from polyreel.datasets.store.table import open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.errors import UnknownNameError
from polyreel.problems import Problems

SECONDS, DIM = 10, 8
ROWS = np.arange(SECONDS * DIM, dtype=np.float32).reshape(SECONDS, DIM)


class Bomb:
    """Unpickling it would leave a trace."""

    def __reduce__(self):
        return os.mkdir, ("/tmp/polyreel-was-unpickled",)


def npy(rows) -> bytes:
    file = io.BytesIO()
    np.save(file, rows, allow_pickle=True)
    return file.getvalue()


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def features(source, **options) -> FeatureFiles:
    return FeatureFiles(source, Problems(), **options)


def test_a_folder_and_a_zip_hold_a_file_a_video(tmp_path):
    files = {
        "a.npy": npy(ROWS),
        "deep/b.mp4.npy": npy(ROWS.astype(np.float16)),
        "c.npz": npz(features=ROWS + 1),
        "notes.txt": b"",
    }
    write(tmp_path / "folder", files)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
        packed.writestr("../../slipped.npy", npy(ROWS))
    found, packed = features(tmp_path / "folder"), features(tmp_path / "all.zip")
    assert set(found) == {"a", "b", "c"}
    assert set(packed) == {"a", "b", "c", "slipped"}
    for video in found:
        assert np.array_equal(found.read(video), packed.read(video))
    assert (found.read("b").dtype, found.dim, len(found)) == (np.float16, DIM, 3)
    assert np.array_equal(found.read("c"), ROWS + 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.zip", "folder"], "nothing slipped out"
    fails(lambda: found.read("d"), "'d'", kind=UnknownNameError)


@pytest.mark.parametrize("name", ["a.pkl", "a.pickle", "a.pth", "a.pt", "a.bin", "a.ckpt", "a.joblib"])
def test_a_pickle_is_refused_by_name_and_the_safe_way_is_named(tmp_path, name):
    write(tmp_path, {name: pickle.dumps(Bomb())})
    fails(lambda: features(tmp_path), "pickles", name, "numpy.save")
    fails(lambda: features(tmp_path / name), "numpy.save") if name != "a.bin" else None
    write(tmp_path, {"b.npy": npy(ROWS)})
    problems = Problems()
    assert list(FeatureFiles(tmp_path, problems)) == ["b"]
    assert [missing.id for missing in problems.drain()] == [name]


@pytest.mark.parametrize("content", [npy(np.array([Bomb()])), npz(a=np.array([Bomb()]))], ids=["npy", "npz"])
def test_an_array_of_objects_is_a_pickle(tmp_path, content):
    write(tmp_path, {"a.npy": content})
    fails(lambda: features(tmp_path).read("a"), "Python objects", "a.npy", "numpy.save")
    assert not Path("/tmp/polyreel-was-unpickled").exists()


def test_numpy_itself_would_run_it():
    """What the test above guards against is real."""
    assert isinstance(pickle.dumps(Bomb()), bytes)
    with pytest.raises(ValueError, match="allow_pickle"):
        np.load(io.BytesIO(npy(np.array([Bomb()]))))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy(ROWS)[:-9], ["cannot be read", "a.npy"]),
        (npy(ROWS)[:30], ["cannot be read"]),
        (b"", ["cannot be read"]),
        (npy(ROWS[0]), ["wrong shape", "float32 (8,)"]),
        (npy(ROWS[:0]), ["wrong shape", "(0, 8)"]),
        (npy(ROWS.astype(np.int64)), ["wrong shape", "int64"]),
        (npy(np.where(ROWS == 9, np.nan, ROWS)), ["not finite", "1 of 10 rows"]),
        (npy(np.where(ROWS > 70, np.inf, ROWS)), ["not finite", "2 of 10 rows"]),
        (npy(ROWS[:, :5]), ["wrong dim", "5, not 8"]),
        (npz(a=ROWS, b=ROWS), ["not one array", "a, b"]),
        (npz(a=ROWS)[:-30], ["cannot be read"]),
        (npy(ROWS).replace(b"(10, 8)", b"(10000000000000, 8)"[:7]), ["cannot be read"]),
    ],
)
def test_features_that_cannot_be_used_are_named(tmp_path, content, said):
    write(tmp_path, {"a.npy": content})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fails(lambda: features(tmp_path, dim=DIM).read("a"), *said)


def test_a_header_that_promises_more_than_memory_holds(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 999), }"
    head = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n"
    write(tmp_path, {"a.npy": head + b"\0" * 64})
    fails(lambda: features(tmp_path).read("a"), "cannot be read", "a.npy")


def test_two_files_of_one_video_and_none_at_all(tmp_path):
    fails(lambda: features(tmp_path), "there are no features", "<video>.npy")
    fails(lambda: features(tmp_path / "gone"), "there are no features")
    write(tmp_path, {"a.npy": npy(ROWS), "b/a.mp4.npy": npy(ROWS), "not.zip": b"PK no"})
    fails(lambda: features(tmp_path), "two files are of one video", "a.npy, b/a.mp4.npy")
    fails(lambda: features(tmp_path / "not.zip"), "not.zip", "Name a folder or a zip")


def test_a_clip_takes_the_seconds_that_it_touches(tmp_path):
    write(tmp_path, {"a.npy": npy(ROWS), "bad.npy": npy(ROWS * np.nan)})
    clips = [
        Clip("a", 0.0, 2.0),
        Clip("a", 2.5, 4.2),
        Clip("a", 9.0, 30.0),
        Clip("a", 11.0, 12.0),
        Clip("bad", 0.0, 1.0),
        Clip("gone", 0.0, 1.0),
        Clip("a", 3.0, 3.0),
    ]
    problems = Problems()
    found = dict(features_of_clips(features(tmp_path, dim=DIM), clips, problems))
    assert {clip: rows[:, 0].tolist() for clip, rows in found.items()} == {
        "a@0000000000": [0.0, 8.0],
        "a@0000002500": [16.0, 24.0, 32.0],
        "a@0000009000": [72.0],
        "a@0000003000": [24.0],
    }
    assert {missing.reason for missing in problems.drain()} == {
        "features end before the clip starts",
        "features are not finite",
        "a video has no features",
    }


def test_a_table_gets_the_features_under_the_name_of_their_folder(tmp_path):
    write(tmp_path / "S3D", {"a.npy": npy(ROWS)})
    write_table(tmp_path / "table", [record("a", "one", end_s=2.0), record("b", "two")], name="some")
    problems = Problems()
    assert add_feature_files(tmp_path / "table", tmp_path / "S3D", problems) == "s3d"
    store = open_table(tmp_path / "table").features("s3d")
    assert np.array_equal(store.of(0), ROWS[:2].astype(np.float16))
    assert (store.dim, store.rate_hz, len(store.of(1))) == (DIM, 1.0, 0)
    assert problems.counts == {"a video has no features: left out": 1}
