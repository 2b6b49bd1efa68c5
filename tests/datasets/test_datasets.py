"""The datasets by name, and what each reader finds as records of the right split and language."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import pytest
from written import fails, lines, write, write_annotations, zip_of

from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.datasets.fetching import build_dataset, count_differences, fetched_table
from polyreel.datasets.readers import msrvtt, multi30k, vatex, xm3600, xtd10
from polyreel.datasets.readers.demo import demo_clips
from polyreel.datasets.records import Frames, Record, VideoFile
from polyreel.datasets.registry import DATASETS, find_dataset
from polyreel.datasets.store.table import open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.errors import DatasetError, UnknownNameError, UsageError
from polyreel.languages import STUDY_LANGUAGES, parse_tag
from polyreel.problems import Missing


def records_of(name, folder):
    found = list(DATASETS[name].records(folder))
    return [r for r in found if isinstance(r, Record)], [m for m in found if isinstance(m, Missing)]


def by_split(records):
    splits = {}
    for record in records:
        splits.setdefault(record.split, []).append(record.clip.video)
    return splits


def creations(record):
    return {caption.language: caption.sample_creation for caption in record.captions}


def test_rows_are_in_order_and_complete():
    assert list(DATASETS) == sorted(DATASETS)
    for name, row in DATASETS.items():
        assert row.name == name
        assert all([row.description, row.licence, row.source, row.languages, row.remedy]), name
        assert all(parse_tag(tag) == tag for tag in row.languages), name
        assert row.published is None or all(row.published.values()), name


def test_an_unknown_name_gets_the_nearest():
    fails(lambda: find_dataset("stamp"), "no dataset", "Did you mean 'stamps'?", kind=UnknownNameError)
    fails(lambda: fetched_table("../stamps"), "no dataset", kind=UnknownNameError)


PARTS = {"train": range(6), "validate": range(6, 8), "test": range(8, 11)}
MSRVTT = {
    "1k-A": 2,
    "1k-A-train-9k": 9,
    "1k-B": 2,
    "1k-B-train": 3,
    "full": 3,
    "full-train": 6,
    "full-val": 2,
}


@pytest.fixture
def videos(tmp_path, monkeypatch):
    """MSR-VTT with eleven videos and German captions of one; two videos are not there."""
    monkeypatch.setattr(msrvtt, "MSRVTT_SPLITS", MSRVTT)
    monkeypatch.setattr(msrvtt, "_HELD_OUT", 2)
    numbers = [(number, part) for part, chosen in PARTS.items() for number in chosen]
    annotations = {
        "videos": [{"video_id": f"video{number}", "split": part} for number, part in numbers],
        "sentences": [
            {"video_id": f"video{number}", "caption": f"{place} of {number}"}
            for number, _ in numbers
            for place in range(20)
        ],
    }
    return write(
        tmp_path,
        {
            "MSRVTT_data.json": annotations,
            "MSRVTT_JSFUSION_test.csv": "key,video_id,sentence\n0,video9,3 of 9\n1,video8,5 of 8\n",
            "test_list_miech.txt": "video2\nvideo0",
            "train_list_miech.txt": "video1\nvideo3\nvideo5\n",
            "captions.de.json": {"video0": ["nur einer"], "video9": ["drei"]},
            **{f"videos/video{number}.mp4": b"" for number in range(9)},
        },
    )


def test_msrvtt_has_its_official_splits(videos):
    records, missing = records_of("msrvtt", videos)
    assert {split: len(ids) for split, ids in by_split(records).items()} == {"train": 6, "dev": 2, "test": 3}
    assert missing == []
    assert Counter(caption.language for caption in records[0].captions) == {"de": 1, "en": 20}
    assert creations(records[0]) == {"de": "machine-translated", "en": "created"}
    assert records[0].media == VideoFile(videos / "videos" / "video0.mp4")
    assert records[-1].media is None  # its captions are of use all the same


def test_1k_a_holds_out_videos_to_choose_with(videos):
    splits = by_split(records_of("msrvtt-1k-a", videos)[0])
    assert {split: len(ids) for split, ids in splits.items()} == {"train": 7, "dev": 2, "test": 2}
    assert len(set().union(*splits.values())) == 11
    assert by_split(records_of("msrvtt-1k-a", videos)[0]) == splits
    (queried,) = [r for r in records_of("msrvtt-1k-a", videos)[0] if r.clip.video == "video9"]
    assert [(c.language, c.text) for c in queried.captions] == [("de", "drei"), ("en", "3 of 9")]


def test_1k_b(videos):
    splits = by_split(records_of("msrvtt-1k-b", videos)[0])
    assert splits == {"train": ["video1", "video3", "video5"], "test": ["video2", "video0"]}


@pytest.fixture
def frames(tmp_path):
    def row(video, split, *, italian=(), from_test=False, end_s=7.25):
        return {
            "video": video,
            "youtube": f"upload of {video}",
            "split": split,
            "start_s": 1.0,
            "end_s": end_s,
            "caption_en": f"a {video}",
            "captions_it": list(italian),
            "same_source_as_test": from_test,
        }

    rows = [
        row("video1", "train", italian=["uno", "due"]),
        row("video2", "dev"),
        row("video3", "train", from_test=True),
        row("video4", "train"),
    ]
    nine = {tag: f"{tag} video2" for tag in STUDY_LANGUAGES}
    zip_of(tmp_path / "frames-0.zip", ["video1/b.jpg", "video1/a.jpg", "video2/a.jpg", "video3/a.jpg"])
    return write(
        tmp_path,
        {
            "videos.jsonl": lines(map(json.dumps, rows)),
            "dev-captions.json": [{"id": "video2", "caption": nine}],
        },
    )


def test_msrvtt_frames_leave_out_what_shares_a_source_with_the_test_set(frames):
    (train, dev), missing = records_of("msrvtt-frames", frames)
    assert train.clip == dataclasses.replace(train.clip, video="video1", start_s=0.0, end_s=6.25)
    assert train.media == Frames(frames, ("frames-0.zip!video1/a.jpg", "frames-0.zip!video1/b.jpg"))
    assert [(c.language, c.text, c.sample_creation) for c in train.captions] == [
        ("en", "a video1", "created"),
        ("it", "uno", "machine-translated"),
        ("it", "due", "machine-translated"),
    ]
    assert dev.split == "dev"
    assert [c.language for c in dev.captions] == list(STUDY_LANGUAGES)
    assert {gone.id: gone.reason.split()[0] for gone in missing} == {"video3": "cut", "video4": "no"}


def test_a_cached_table_from_before_sources_were_kept_is_built_again(frames, tmp_path, monkeypatch):
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    places = {"msrvtt-frames": frames.name}
    built = DatasetCatalog(frames.parent, places).table("msrvtt-frames").folder
    records = records_of("msrvtt-frames", frames)[0]
    write_table(built, [dataclasses.replace(r, source="") for r in records], name="msrvtt-frames")
    catalog = DatasetCatalog(frames.parent, places)
    assert catalog.where("msrvtt-frames") is None
    assert catalog.table("msrvtt-frames").source(0) == "upload of video1"
    assert catalog.where("msrvtt-frames") == built


def test_msrvtt_frames_without_a_file_or_with_a_damaged_one(frames):
    (frames / "frames-0.zip").write_bytes(b"PK")
    fails(lambda: records_of("msrvtt-frames", frames), "key frames cannot be read", frames)
    (frames / "dev-captions.json").unlink()
    fails(lambda: records_of("msrvtt-frames", frames), "dev-captions.json", "frames-N.zip")


def test_flickr8k_takes_the_splits_of_multi30k(tmp_path):
    rows = [
        {"image": "1.jpg", "captions_en": ["a", "b"], "multi30k": {"de": "c"}, "multi30k_split": "test_2016"},
        {"image": "2.jpg", "captions_en": ["a"], "multi30k_split": None},
        {"image": "3.jpg", "captions_en": ["a"], "multi30k_split": "val"},
    ]
    zip_of(tmp_path / "images.zip", ["1.jpg", "2.jpg", "3.jpg"])
    records, _ = records_of("flickr8k", write(tmp_path, {"captions.jsonl": lines(map(json.dumps, rows))}))
    assert by_split(records) == {"test": ["1.jpg"], "train": ["2.jpg"], "dev": ["3.jpg"]}
    assert creations(records[0]) == {"en": "created", "de": "human-translated"}


def test_imagenet_has_a_concept_a_class(tmp_path):
    zip_of(tmp_path / "images.zip", ["a.jpg"])
    write(tmp_path, {"labels.tsv": "0\tn01\ttench\ta.jpg\n1\tn02\tgoldfish\tb.jpg\n"})
    (record,), (gone,) = records_of("imagenet-1000", tmp_path)
    assert (record.clip.video, record.concept, record.captions[0].text) == ("n01", "n01", "tench")
    assert (gone.id, gone.reason) == ("b.jpg", "no picture")
    write(tmp_path, {"labels.tsv": "0\tn01\ttench\n"})
    fails(lambda: records_of("imagenet-1000", tmp_path), "four columns", "labels.tsv, line 1")


def test_multi30k_does_without_photos(tmp_path, monkeypatch):
    monkeypatch.setattr(multi30k, "MULTI30K_SPLITS", {"train": 2, "test_2016_flickr": 1, "val": 1})
    files = {}
    for split, photos in {"train": ["1.jpg", "2.jpg"], "test_2016_flickr": ["3.jpg"]}.items():
        files[f"{split}.txt"] = lines(photos)
        for tag in ("en", "de", "fr", "cs"):
            files[f"{split}.{tag}.gz"] = lines(f"{tag} {photo}" for photo in photos)
    records, _ = records_of("multi30k", write(tmp_path, {**files, "images/2.jpg": b""}))
    assert by_split(records) == {"train": ["1.jpg", "2.jpg"], "test": ["3.jpg"]}
    assert [record.media is not None for record in records] == [False, True, False]
    assert creations(records[0])["cs"] == "human-translated"


def test_vatex_reads_the_parts_that_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(vatex, "VATEX_SPLITS", {"train": 1, "validation": 2, "val": 1, "test": 1})

    def rows(*ids):
        return [{"videoID": id_, "enCap": ["a"], "chCap": ["一"]} for id_ in ids]

    write(tmp_path, {"vatex_validation_v1.0.json": rows("b", "c")})
    assert by_split(records_of("vatex", tmp_path)[0]) == {"dev": ["b", "c"]}
    write(tmp_path, {"val_list.txt": "c\n", "test_list.txt": "b\n", "vatex_training_v1.0.json": rows("a")})
    records, _ = records_of("vatex", tmp_path)
    assert by_split(records) == {"train": ["a"], "dev": ["c"], "test": ["b"]}
    assert records[0].clip.end_s == 10.0


def test_photos_of_coco_and_of_xm3600_are_for_testing(tmp_path, monkeypatch):
    monkeypatch.setattr(xtd10, "_PHOTOS", 1)
    monkeypatch.setattr(xm3600, "_PHOTOS", 1)
    coco = {f"test_1kcaptions_{tag}.txt": tag for tag in ("en", "de", "fr", "zh", "ru", "es", "jp")}
    (record,), _ = records_of("xtd10", write(tmp_path / "x", {**coco, "test_image_names.txt": "1.jpg"}))
    assert (record.split, creations(record)["ja"], creations(record)["zh"]) == (
        "test",
        "created",
        "human-translated",
    )
    line = {"image/key": "k", "quz": {"caption": ["a"]}, "en": {"caption": ["b", "c"]}}
    (record,), _ = records_of("xm3600", write(tmp_path / "y", {"captions.jsonl": json.dumps(line)}))
    assert Counter(caption.language for caption in record.captions) == {"quz": 1, "en": 2}


def test_stamps_of_the_same_thing_share_a_concept(tmp_path):
    write(
        tmp_path,
        {
            "a/frog.png": b"",
            "a/frog.txt": "A frog.\nde.utf8=Ein Frosch.\n",
            "b/frog-1.png": b"",
            "b/frog-1.txt": "a Frog",
            "b/cow.png": b"",
            "b/cow.txt": "A cow.",
        },
    )
    records, _ = records_of("stamps", tmp_path)
    assert {r.clip.video: r.concept for r in records} == {
        "a/frog": "a/frog",
        "b/frog-1": "a/frog",
        "b/cow": "",
    }
    assert creations(records[0]) == {"en": "created", "de": "human-translated"}


def test_the_last_vendor_of_emoji_is_held_out(tmp_path):
    named = {"🐎": {"tts": ["horse"]}, "🏃": {"tts": ["person running"]}, "🏃‍♂": {"tts": ["man running"]}}
    write_annotations(tmp_path, named)
    codes = ["1F40E", "1F3C3", "1F3C3-200D-2642-FE0F"]
    for vendor in ("google", "twitter"):
        home = f"emoji-datasource-{vendor}"
        pictures = {f"{home}/img/{vendor}/64/{code.lower()}.png": b"" for code in codes}
        write(tmp_path, {f"{home}/emoji.json": [{"unified": code} for code in codes], **pictures})
    write(tmp_path, {"openmoji/color/svg/1F3C3-200D-2642-FE0F.svg": b""})
    records, missing = records_of("emoji", tmp_path)
    assert [gone.id for gone in missing] == ["openmoji/1f40e", "openmoji/1f3c3"]
    assert {split: len(ids) for split, ids in by_split(records).items()} == {"train": 4, "test": 3}
    concepts = {r.clip.video: r.concept for r in records}
    assert concepts["google/1f40e"] == concepts["twitter/1f40e"] == "horse"
    runners = {"google/1f3c3", "twitter/1f3c3", "openmoji/1f3c3-200d-2642-fe0f"}
    assert {concepts[runner] for runner in runners} == {"running"}


def test_demo_clips_that_are_not_fetched_are_named(tmp_path):
    clip = demo_clips()[0]
    write(tmp_path, {clip.source.file_name: b"film"})
    (record,), missing = records_of("demo", tmp_path)
    assert (record.split, record.clip.end_s, len(record.captions)) == ("test", clip.duration_s, 9)
    assert len(missing) == len(demo_clips()) - 1


def test_a_built_table_says_where_it_came_from_and_what_differs(frames, tmp_path):
    manifest = build_dataset("msrvtt-frames", tmp_path / "out", folder=frames)
    assert manifest.clips == {"train": 1, "dev": 1}
    assert {source.name for source in manifest.sources} == {
        "videos.jsonl",
        "dev-captions.json",
        "frames-0.zip",
    }
    assert all(source.sha256 and "MSR-VTT" in source.licence for source in manifest.sources)
    assert count_differences(manifest) == [
        "train: 1 clips, 4,027 published",
        "dev: 1 clips, 324 published",
    ]
    assert open_table(tmp_path / "out").name == "msrvtt-frames"


def test_what_cannot_be_fetched_says_how_to_get_it(tmp_path):
    fails(
        lambda: build_dataset("vatex", tmp_path / "out"),
        "cannot be fetched",
        "vatex_training",
        kind=UsageError,
    )
    fails(
        lambda: build_dataset("vatex", tmp_path / "out", folder=tmp_path / "no"),
        "no such folder",
        "vatex_training",
        kind=DatasetError,
    )


@pytest.mark.parametrize(
    ("name", "folder", "counts"),
    [
        ("flickr8k", "flickr8k-1000", {"train": 935, "dev": 34, "test": 31}),
        ("imagenet-1000", "imagenet-1000", {"train": 1_000}),
        ("msrvtt-frames", "msrvtt-frames", {"train": 3_909, "dev": 310}),
        ("multi30k", "multi30k", {"train": 29_000, "dev": 1_014, "test": 1_000}),
    ],
)
def test_the_real_data(shared_data, name, folder, counts):
    assert Counter(record.split for record in records_of(name, shared_data / folder)[0]) == counts
