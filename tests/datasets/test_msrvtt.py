"""MSR-VTT: splits, queries and translations."""

from __future__ import annotations

import json

import pytest
from written import NFC, NFD, fails, lines, write

from polyreel.datasets.readers import msrvtt
from polyreel.datasets.readers.msrvtt import MSRVTT_LAYOUT, MSRVTT_SPLITS, msrvtt_records
from polyreel.errors import UnknownNameError
from polyreel.evaluation.items import evaluation_set

PARTS = {"train": range(4), "validate": range(4, 6), "test": range(6, 9)}
SMALL = {
    "1k-A": 2,
    "1k-A-train-7k": 6,
    "1k-A-train-9k": 7,
    "1k-B": 2,
    "1k-B-train": 3,
    "full": 3,
    "full-train": 4,
    "full-val": 2,
}


def read_msrvtt(folder, split):
    return evaluation_set(msrvtt_records(folder, {"some": split}), split, remedy=MSRVTT_LAYOUT)


def annotations(parts=PARTS, sentences=20):
    numbers = [(number, part) for part, numbers in parts.items() for number in numbers]
    return {
        "info": {"year": "2016"},
        "videos": [
            {"video_id": f"video{n}", "split": part, "id": n, "start time": 0.5} for n, part in numbers
        ],
        "sentences": [
            {"video_id": f"video{n}", "caption": f"sentence {s} of {n}", "sen_id": s}
            for n, _ in numbers
            for s in range(sentences)
        ],
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Nine videos with all lists; video8 is not there."""
    monkeypatch.setattr(msrvtt, "MSRVTT_SPLITS", SMALL)
    test = 'key,video_id,sentence\nret0,video8,Sentence 3 of 8\nret1,video6,"sentence 5 of 6 "\n'
    places = ["videos", "videos/all", "TrainValVideo", "TestVideo"]
    return write(
        tmp_path,
        {
            "MSRVTT_data.json": annotations(),
            "MSRVTT_JSFUSION_test.csv": test,
            "test_list_miech.txt": "video2\nvideo0",
            "train_list_miech.txt": "video1\nvideo3\nvideo5\n",
            **{f"{places[number % 4]}/video{number}.mp4": b"" for number in range(8)},
        },
    )


def ids(corpus):
    return [item.id for item in corpus.items]


def test_the_test_set_of_1k_a_has_one_sentence_a_video(folder):
    corpus = read_msrvtt(folder, "1k-A")
    assert [(item.id, item.captions) for item in corpus.items] == [("video6", {"en": ("sentence 5 of 6",)})]
    assert [(gone.id, gone.reason) for gone in corpus.missing] == [("video8", "no video")]
    assert corpus.items[0].media.path == folder / "TrainValVideo" / "video6.mp4"


def test_what_is_trained_on_is_not_tested_on(folder):
    seven, nine = read_msrvtt(folder, "1k-A-train-7k"), read_msrvtt(folder, "1k-A-train-9k")
    assert ids(seven) == [f"video{number}" for number in range(6)]
    assert ids(nine) == [*ids(seven), "video7"]
    assert {len(item.captions["en"]) for item in seven.items} == {20}


def test_the_official_splits(folder):
    assert ids(read_msrvtt(folder, "full-train")) == ["video0", "video1", "video2", "video3"]
    assert ids(read_msrvtt(folder, "full-val")) == ["video4", "video5"]
    full = read_msrvtt(folder, "full")
    assert ids(full) == ["video6", "video7"]
    assert full.items[0].captions["en"] == tuple(f"sentence {s} of 6" for s in range(20))


def test_1k_b_takes_the_first_sentence_or_that_of_its_list(folder):
    corpus = read_msrvtt(folder, "1k-B")
    assert [(item.id, item.captions["en"]) for item in corpus.items] == [
        ("video2", ("sentence 0 of 2",)),
        ("video0", ("sentence 0 of 0",)),
    ]
    assert ids(read_msrvtt(folder, "1k-B-train")) == ["video1", "video3", "video5"]
    write(folder, {"1k-B.csv": "video_id,sentence\nvideo2,sentence 9 of 2\nvideo0,sentence 8 of 0\n"})
    assert [item.captions["en"][0][:10] for item in read_msrvtt(folder, "1k-B").items] == [
        "sentence 9",
        "sentence 8",
    ]


def test_the_original_two_files_are_read_as_one(folder):
    (folder / "MSRVTT_data.json").unlink()
    parts = {"train": PARTS["train"], "validate": PARTS["validate"]}
    write(folder, {"train_val_videodatainfo.json": annotations(parts)})
    fails(lambda: read_msrvtt(folder, "full"), "missing", "test_videodatainfo.json", "MSRVTT_data.json")
    write(folder, {"test_videodatainfo.json": annotations({"test": PARTS["test"]})})
    assert ids(read_msrvtt(folder, "full")) == ["video6", "video7"]
    assert ids(read_msrvtt(folder, "full-val")) == ["video4", "video5"]
    write(folder, {"test_videodatainfo.json": annotations({"test": [0]})})
    fails(lambda: read_msrvtt(folder, "full"), "more than once", "video0")


def test_translations_of_all_kinds(folder):
    all20 = [f"Satz {s} von 6" for s in range(20)]
    jsonl = [{"video_id": "video6", "caption": "phrase"}, {"video_id": "video7", "caption": ["une", "deux"]}]
    write(
        folder,
        {
            "captions.de.json": {"video6": all20, "video7": "ein Satz"},
            "captions.fr.jsonl": lines(map(json.dumps, jsonl)),
            "captions.vi.txt": f"video6\t{NFD}\n\nvideo7\thai\nvideo7\tba",
        },
    )
    (item,) = read_msrvtt(folder, "1k-A").items
    assert item.captions == {
        "en": ("sentence 5 of 6",),
        "de": ("Satz 5 von 6",),
        "fr": ("phrase",),
        "vi": (NFC,),
    }
    six, seven = read_msrvtt(folder, "full").items
    assert six.captions["de"] == tuple(all20)
    assert (seven.captions["de"], seven.captions["fr"], seven.captions["vi"]) == (
        ("ein Satz",),
        ("une", "deux"),
        ("hai", "ba"),
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "captions.de.json",
            {"video6": ["eins", "zwei"]},
            ["cannot be told", "captions.de.json: video6", "2 captions"],
        ),
        ("captions.de.json", {"video99": "x"}, ["not known", "video99"]),
        ("captions.de.json", {"../x": "x"}, ["not known", "../x"]),
        ("captions.de.json", {"video6": [1]}, ["captions.de.json", "video6"]),
        ("captions.deutsch.json", {}, ["unknown, English or repeated", "captions.deutsch.json"]),
        ("captions.en.json", {}, ["unknown, English or repeated"]),
        ("captions.de.tsv", "", ["unknown, English or repeated", "of another format"]),
        ("captions.de.txt", "video6 ein Satz\n", ["no tab", "captions.de.txt, line 1"]),
        ("captions.de.jsonl", '{"video_id": "video6"}\n', ["captions.de.jsonl, line 1", "caption"]),
        (
            "MSRVTT_JSFUSION_test.csv",
            "key,video_id,sentence\nret0,video6,a\n",
            ["videos in 1k-A", "1, not 2"],
        ),
        (
            "MSRVTT_JSFUSION_test.csv",
            "video_id,sentence\nvideo6,a\nvideo6,b\n",
            ["twice", "2 rows, 1 videos"],
        ),
        (
            "MSRVTT_JSFUSION_test.csv",
            "video_id,sentence\nvideo6,a\n../etc,b\n",
            ["without annotations", "../etc"],
        ),
        ("MSRVTT_JSFUSION_test.csv", "video_id\nvideo6\nvideo7\n", ["sentences", "0, not 2"]),
        ("MSRVTT_data.json", annotations(sentences=19), ["20 sentences", "video8 has 19"]),
        ("MSRVTT_data.json", {"videos": []}, ["MSRVTT_data.json", "sentences"]),
    ],
)
def test_what_is_not_as_it_should_be_is_named(folder, name, content, said):
    write(folder, {name: content})
    fails(lambda: read_msrvtt(folder, "1k-A"), *said)


def test_two_files_of_one_language_are_an_error(folder):
    write(folder, {"captions.de.json": {}, "captions.ger.txt": ""})
    fails(lambda: read_msrvtt(folder, "full"), "repeated", "captions.ger.txt")


def test_a_split_of_another_size_is_an_error(folder):
    write(folder, {"MSRVTT_data.json": annotations({"train": range(4), "test": range(4, 9)})})
    fails(lambda: read_msrvtt(folder, "full"), "videos in full", "5, not 3")


def test_an_unknown_split_and_an_empty_folder(tmp_path):
    fails(lambda: read_msrvtt(tmp_path, "1k-C"), "1k-", kind=UnknownNameError)
    fails(lambda: read_msrvtt(tmp_path, "1k-A"), "MSRVTT_data.json", "videos/<video_id>.mp4")


def test_the_published_sizes(tmp_path):
    parts = {"train": range(6_513), "validate": range(6_513, 7_010), "test": range(7_010, 10_000)}
    listed = lines(
        f"ret,msr,video{number},sentence 0 of {number}" for number in range(7_010, 10_000, 2)[:1_000]
    )
    write(
        tmp_path,
        {
            "MSRVTT_data.json": annotations(parts),
            "MSRVTT_JSFUSION_test.csv": f"key,vid_key,video_id,sentence\n{listed}",
            "videos/video0.mp4": b"",
            "videos/video7010.mp4": b"",
        },
    )
    corpus = read_msrvtt(tmp_path, "1k-A-train-9k")
    assert len(corpus.items) == 1
    assert len(corpus.items) + len(corpus.missing) == MSRVTT_SPLITS["1k-A-train-9k"]


def test_two_videos_and_no_more_may_lack_a_sentence(folder):
    shortened = annotations()
    for video in ("video0", "video3"):
        last = {"video_id": video, "caption": f"sentence 19 of {video[-1]}", "sen_id": 19}
        shortened["sentences"].remove(last)
    write(folder, {"MSRVTT_data.json": shortened})
    corpus = read_msrvtt(folder, "full-train")
    assert [len(item.captions["en"]) for item in corpus.items] == [19, 20, 20, 19]
    shortened["sentences"] = [row for row in shortened["sentences"] if row["video_id"] != "video1"]
    write(folder, {"MSRVTT_data.json": shortened})
    fails(lambda: read_msrvtt(folder, "full-train"), "20 sentences", "video0 has 19")
