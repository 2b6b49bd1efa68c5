"""Records as the items of a benchmark."""

from __future__ import annotations

from written import NFC, NFD, fails, write

from polyreel.datasets.reading import pictures_in
from polyreel.datasets.records import Frames, created, record_of
from polyreel.evaluation.items import evaluation_set

GET = "Get it"


def assembled(rows, media):
    records = [record_of(name, captions, created, media=media.get(file)) for name, file, captions in rows]
    return evaluation_set(records, "some", kind="picture", remedy=GET)


def test_nothing_is_dropped_in_silence(tmp_path):
    media = pictures_in(write(tmp_path, {"images/a.jpg": b"", "images/c.jpg": b""}))
    rows = [("a", "a.jpg", {"vi": [NFD, " "]}), ("b", "b.jpg", {"en": ["x"]}), ("c", "c.jpg", {"en": [" "]})]
    found = assembled([*rows, ("d", "d.jpg", {})], media)
    assert [(item.id, item.captions) for item in found.items] == [("a", {"vi": (NFC,)})]
    assert [(gone.id, gone.reason) for gone in found.missing] == [
        ("b", "no picture"),
        ("c", "no caption"),
        ("d", "neither captions nor media"),
    ]


def test_a_name_never_becomes_a_path(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"")
    media = pictures_in(write(tmp_path / "data", {"images/a.jpg": b""}))
    rows = [("a", "a.jpg", {"en": ["x"]}), ("b", "../../secret.jpg", {"en": ["x"]})]
    assert [gone.id for gone in assembled(rows, media).missing] == ["b"]


def test_an_id_that_occurs_twice_is_an_error_even_without_its_media():
    fails(lambda: assembled([("a", "a.jpg", {"en": ["x"]})] * 2, {}), "more than once", "some", "(a)")


def test_a_set_without_any_media_is_an_error():
    rows = [(name, name, {"en": ["x"]}) for name in "abc"]
    fails(lambda: assembled(rows, {}), "not one of 3 pictures", "some", GET)


def test_items_of_one_concept_are_related(tmp_path):
    picture = Frames(tmp_path, ("a.jpg",))
    concepts = {"a1": "a", "b": "", "a2": "a", "a3": "a", "c": ""}
    records = [
        record_of(name, {"en": [name]}, created, media=picture, concept=concept)
        for name, concept in concepts.items()
    ]
    related = [item.also_relevant for item in evaluation_set(records, "some").items]
    assert related == [("a2", "a3"), (), ("a1", "a3"), ("a1", "a2"), ()]
