"""The drawn shapes: what they show, what is said of them, and that they come out the same."""

from __future__ import annotations

from collections import Counter

from written import fails

from polyreel.datasets.readers.shapes import draw_shapes, shapes_records
from polyreel.datasets.records import Frames
from polyreel.datasets.registry import DATASETS
from polyreel.languages import STUDY_LANGUAGES
from polyreel.media.pictures import read_bytes, read_picture


def test_as_many_as_are_published_each_in_nine_languages(tmp_path):
    records = list(shapes_records(draw_shapes(tmp_path)))
    assert dict(Counter(record.split for record in records)) == DATASETS["shapes"].published
    for record in records:
        assert tuple(caption.language for caption in record.captions) == STUDY_LANGUAGES
        assert record.captions[0].text == f"a {record.concept}"
    said = Counter(caption.text for record in records for caption in record.captions)
    assert set(said.values()) == {4}, "every sentence is about one concept, and drawn four times"


def test_the_colour_that_is_said_is_seen(tmp_path):
    for record in shapes_records(draw_shapes(tmp_path)):
        if record.concept.startswith(("red", "green", "blue")):
            assert isinstance(record.media, Frames)
            raw = read_bytes(record.media.root, record.media.references[0])
            picture = read_picture(raw, size=(64, 64), item=record.concept).astype(float)
            channel = ("red", "green", "blue").index(record.concept.split()[0])
            others = [picture[..., other].mean() for other in range(3) if other != channel]
            assert picture[..., channel].mean() > max(others) + 1


def test_what_is_drawn_already_stays(tmp_path):
    folder = draw_shapes(tmp_path)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "red-star-0.jpg").unlink()
    draw_shapes(tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_a_missing_drawing_is_named(tmp_path):
    folder = draw_shapes(tmp_path)
    (folder / "red-star-0.jpg").unlink()
    fails(lambda: list(shapes_records(folder)), "a drawing is missing", "red-star-0.jpg", "fetch shapes")
