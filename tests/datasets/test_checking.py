"""The check of a corpus: it finds what was put wrong, and nothing in a corpus that is well."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np
import pytest
from made_records import many, numbered, record

from polyreel.clips import Caption
from polyreel.datasets.checks.checking import check_table
from polyreel.datasets.checks.media import difference_hash
from polyreel.datasets.records import Frames, VideoFile
from polyreel.datasets.store.bundle_features import add_bundle_features
from polyreel.datasets.store.feature_writer import write_features
from polyreel.datasets.store.manifest import DataSource
from polyreel.datasets.store.table_writer import write_table
from polyreel.media.jpeg import encode_jpeg
from polyreel.problems import Missing
from videos import noise, solid, truncate, write_video


def check(folder, records, *, name="made", **options):
    write_table(folder, records, name=name, sources=[DataSource(name="s", licence="CC0-1.0")])
    return check_table(folder, **options)


def found(report, level):
    return [finding for finding in report.findings if finding.level == level]


def the(report, words):
    """The one finding that says ``words``."""
    (finding,) = [finding for finding in report.findings if words in finding.what]
    return finding


def picture(path, seed):
    """A photo of some structure; other seeds look different."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 9, 3), np.uint8)
    path.write_bytes(encode_jpeg(np.kron(coarse, np.ones((16, 16, 1), np.uint8))))
    return path.name


def test_a_corpus_that_is_well_has_no_findings(tmp_path):
    for seed in range(4):
        picture(tmp_path / f"{seed}.jpg", seed)
    records = [
        record(str(seed), f"a picture of number {seed} in the row", split="train" if seed % 2 else "test",
               media=Frames(tmp_path, (f"{seed}.jpg",)))
        for seed in range(4)
    ]  # fmt: skip
    told = []
    report = check(tmp_path / "t", records, progress=lambda *step: told.append(step))
    assert report.findings == ()
    assert not report.is_broken
    assert report.clips == {"test": 2, "train": 2}
    assert report.languages["en"].model_dump() == {
        "captions": 4,
        "clips": {"test": 2, "train": 2},
        "sampled": 4,
        "wrong": 0,
        "seems": None,
    }
    assert report.media.model_dump() == {"named": 4, "without": 0, "not_there": 0, "decoded": 4, "broken": 0}
    assert [source.licence for source in report.sources] == ["CC0-1.0"]
    assert ("media", 4, 4) in told


def test_a_damaged_file_is_broken_and_no_traceback(tmp_path):
    manifest = write_table(tmp_path, many(50), name="made")
    truncate(tmp_path / manifest.data_folder / "clips.arrow", 0.8)
    report = check_table(tmp_path)
    assert report.is_broken
    assert "clips.arrow" in report.findings[0].what
    assert report.media is None


def test_counts_are_held_against_the_published_ones(tmp_path):
    gone = [Missing("a", "no picture"), Missing("b", "no picture")]
    report = check(tmp_path, [*many(5), *gone], name="multi30k")
    differences = [finding.what for finding in found(report, "warning")]
    assert "not as many clips as published: train: 4 clips, 29,000 published" in differences
    left_out = the(report, "left out")
    assert (left_out.what, left_out.examples) == ("2 left out: no picture", ("a", "b"))
    assert the(report, "without pictures").count == 5


def test_captions_of_several_clips_and_splits(tmp_path):
    records = [
        record("a", "A dog runs.", "a dog  runs", "another text"),
        record("b", "a dog runs!"),
        record("c", "A dog runs.", split="test"),
        record("d", "A DOG RUNS.", language="de", split="test"),
        record("e", "!", split="dev"),
        record("f", "?", split="test"),
    ]
    report = check(tmp_path, records)
    several = the(report, "of several clips")
    assert (several.level, several.count, several.examples) == ("note", 4, ("A dog runs.",))
    both = the(report, "captions in both train and test")
    assert (both.level, both.count) == ("warning", 1)
    assert "1 letter by letter" in both.what
    assert the(report, "another of the same clip").count == 1
    assert not report.is_broken


def test_the_same_video_in_two_splits(tmp_path):
    records = [
        record("film", "one of the first things", start_s=0),
        record("film", "something else later on", start_s=5, end_s=9, split="test"),
    ]
    shared = the(check(tmp_path, records), "cut from videos that are in train too")
    assert (shared.level, shared.count, shared.examples) == ("warning", 1, ("film",))


GERMAN = [
    "Ein großer brauner Hund läuft über die grüne Wiese",
    "Zwei Kinder spielen gemeinsam im Sand am Strand",
    "Eine Frau kocht in der Küche eine Suppe für ihre Familie",
]


def test_captions_in_another_language(tmp_path):
    right = [record(f"r{place}", text, language="de") for place, text in enumerate(GERMAN)]
    wrong = [record(f"w{place}", text, language="sw") for place, text in enumerate(GERMAN)]
    short = [record("s", "Hund", language="fr")]
    report = check(tmp_path, [*right, *wrong, *short])
    (finding,) = found(report, "broken")
    assert finding.what == "3 of 3 captions in sw seem to be in another language, most often de"
    assert report.languages["de"].wrong == 0
    assert report.languages["fr"].sampled == 0  # too short to tell


def test_one_stray_caption_in_four_is_only_a_warning(tmp_path):
    texts = [*GERMAN, "A brown dog is running over the green grass"]
    records = [record(f"v{place}", text, language="de") for place, text in enumerate(texts)]
    report = check(tmp_path, records)
    assert the(report, "another language").level == "warning"


def test_media_that_are_not_there_or_do_not_decode(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("x.jpg", b"no picture")
    write_video(tmp_path / "film.mp4", seconds=2, picture=noise())
    write_video(tmp_path / "cut.mp4", seconds=4, picture=noise(), faststart=True)
    truncate(tmp_path / "cut.mp4", 0.5)
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    media = {
        "member": Frames(tmp_path, ("a.zip!x.jpg", "a.zip!y.jpg")),
        "archive": Frames(tmp_path, ("b.zip!x.jpg",)),
        "file": VideoFile(tmp_path / "gone.mp4"),
        "no-picture": Frames(tmp_path, ("a.zip!x.jpg",)),
        "no-film": VideoFile(tmp_path / "broken.mp4"),
        "cut": VideoFile(tmp_path / "cut.mp4"),
        "film": VideoFile(tmp_path / "film.mp4"),
    }
    report = check(tmp_path / "t", [record(name, media=medium) for name, medium in media.items()])
    gone = the(report, "not there")
    assert (gone.level, gone.count) == ("broken", 3)
    assert gone.examples == tuple(f"{name}@0000000000" for name in ("member", "archive", "file"))
    broken = the(report, "do not decode")
    assert {example.partition("@")[0] for example in broken.examples} == media.keys() - {"cut", "film"}
    assert the(report, "are damaged").examples[0].startswith("cut@0000000000: the pictures end at")
    assert report.media.decoded == 7


def test_only_a_sample_of_the_media_is_decoded(tmp_path):
    name = picture(tmp_path / "0.jpg", 0)
    write_video(tmp_path / "film.mp4", seconds=1)
    photos = [record(str(place), media=Frames(tmp_path, (name,))) for place in range(30)]
    films = [record(f"f{place}", media=VideoFile(tmp_path / "film.mp4"), split="dev") for place in range(30)]
    assert check(tmp_path / "t", [*photos, *films], sample=20).media.decoded == 20 + 1
    assert check_table(tmp_path / "t", sample=0).media.decoded == 0


def test_pictures_that_are_in_two_splits(tmp_path):
    picture(tmp_path / "a.jpg", 1)
    picture(tmp_path / "b.jpg", 2)
    coarse = np.random.default_rng(1).integers(0, 255, (8, 9, 3), np.uint8)
    darker = (np.kron(coarse, np.ones((9, 11, 1))) * 0.8).astype(np.uint8)
    (tmp_path / "like-a.jpg").write_bytes(encode_jpeg(darker))
    (tmp_path / "white.jpg").write_bytes(encode_jpeg(solid((250, 250, 250))(0)))
    plain = Frames(tmp_path, ("white.jpg",))
    records = [
        record("a", media=Frames(tmp_path, ("a.jpg",))),
        record("b", media=Frames(tmp_path, ("b.jpg",))),
        record("plain", media=plain),
        record("copy", media=Frames(tmp_path, ("a.jpg",)), split="test"),
        record("like", media=Frames(tmp_path, ("like-a.jpg",)), split="test"),
        record("other", media=plain, split="test"),
    ]
    report = check(tmp_path / "t", records)
    same = the(report, "same picture file")
    assert set(same.examples) == {
        "a@0000000000 and copy@0000000000",
        "plain@0000000000 and other@0000000000",
    }
    near = the(report, "look alike")
    assert (near.level, near.count) == ("warning", 2)
    assert near.examples == ("a@0000000000 and copy@0000000000", "a@0000000000 and like@0000000000")


def test_a_difference_hash_stays_what_it_is_when_a_picture_darkens():
    rng = np.random.default_rng(0)
    thumbnail = rng.integers(0, 200, (8, 9, 3), np.uint8)
    own = difference_hash(thumbnail)
    assert difference_hash((thumbnail * 0.7 + 20).astype(np.uint8)) is not None
    assert np.bitwise_count(own ^ difference_hash(thumbnail + np.uint8(40))) == 0
    assert np.bitwise_count(own ^ difference_hash(thumbnail[:, ::-1])) > 16
    assert difference_hash(np.full((8, 9, 3), 200, np.uint8)) is None


def test_what_has_no_features_is_told(tmp_path, tiny_bundle):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    records = [record("a", media=Frames(tmp_path, ("broken.jpg",))), *many(3)]
    write_table(tmp_path / "t", records, name="made")
    write_features(tmp_path / "t", "numbers", numbered(records), dim=4, rate_hz=1.0)
    name = add_bundle_features(tmp_path / "t", tiny_bundle)
    report = check_table(tmp_path / "t")
    assert report.features == {"numbers": 3, name: 0}
    assert the(report, f"have no {name}").examples[0].startswith("a@0000000000: ")


@pytest.mark.parametrize("language", ["en", "und"])
def test_a_corpus_with_hardly_a_caption(tmp_path, language):
    bare = [replace(r, captions=()) for r in many(3)]
    assert not check(tmp_path / "none", bare).languages
    one = [replace(bare[0], captions=(Caption("x", language, 0, 1),))]
    assert check(tmp_path / "one", one).languages[language].sampled == 0
