import json

import pytest
from written import fails, write

from polyreel.datasets.readers.youcook2 import youcook2_records
from polyreel.datasets.records import VideoFile
from polyreel.problems import Missing

FILE = "youcookii_annotations_trainval.json"


def step(start: float, end: float, sentence: str) -> dict[str, object]:
    return {"id": 0, "segment": [start, end], "sentence": sentence}


def annotations(**videos: tuple[str, list[dict[str, object]]]) -> dict[str, object]:
    rows = {
        name: {"duration": 99.0, "subset": subset, "recipe_type": "101", "annotations": steps}
        for name, (subset, steps) in videos.items()
    }
    return {"database": rows}


def test_every_step_is_a_clip_of_its_split(tmp_path):
    onions, pan = step(25, 37, "cut  the onion"), step(54.5, 64, "heat the pan")
    write(
        tmp_path,
        {
            FILE: annotations(a=("training", [onions, pan]), b=("validation", [onions])),
            "raw_videos/validation/101/b.webm": b"",
        },
    )
    records = list(youcook2_records(tmp_path))
    assert [(r.clip.clip_id, r.clip.end_s, r.split, r.captions[0].text) for r in records] == [
        ("a@0000025000", 37.0, "train", "cut the onion"),
        ("a@0000054500", 64.0, "train", "heat the pan"),
        ("b@0000025000", 37.0, "dev", "cut the onion"),
    ]
    assert [record.media for record in records] == [
        None,
        None,
        VideoFile(tmp_path / "raw_videos/validation/101/b.webm"),
    ]
    assert {(c.language, c.sample_creation) for r in records for c in r.captions} == {("en", "created")}


def test_a_step_that_cannot_be_a_clip_costs_only_itself(tmp_path):
    steps = [step(5, 3, "back"), step(-1, 3, "early"), step(1, 2, " "), step(7, 9, "good"), step(7, 8, "x")]
    write(tmp_path, {FILE: annotations(a=("training", steps))})
    found = list(youcook2_records(tmp_path))
    assert [one for one in found if isinstance(one, Missing)] == [
        Missing("a step 0", "a step's times cannot be"),
        Missing("a step 1", "a step's times cannot be"),
        Missing("a step 2", "a step has no sentence"),
        Missing("a step 4", "two steps of a video begin together"),
    ]
    assert len(found) == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"database": {"a"', ["no JSON", FILE]),
        (b'{"database":\n {"a": {}, "a": {}}}', ["a key occurs twice", FILE, "(a)"]),
        (b'{"database": {"a": {"subset": "training"}}}', ["not as it should be", "database.a.annotations"]),
        (json.dumps(annotations(a=("training", [{"segment": [1], "sentence": "x"}]))), ["segment.1"]),
        (b"[" * 100_000, ["nested too deeply"]),
        (b"\xff\xfe", ["cannot be read"]),
    ],
)
def test_annotations_that_are_not_as_they_should_be(tmp_path, content, said):
    write(tmp_path, {FILE: content})
    fails(lambda: list(youcook2_records(tmp_path)), *said)


def test_annotations_that_are_not_there(tmp_path):
    fails(lambda: list(youcook2_records(tmp_path)), FILE, "videos/<id>.mp4")
