"""Queries of one or two words from captions: which clips have them, and that those are no negatives."""

from __future__ import annotations

import pytest
import torch

from polyreel.clips import Caption, Clip
from polyreel.codeswitch.lexicons import Lexicon
from polyreel.datasets.records import Record
from polyreel.datasets.store.table import open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.losses.encoded import Encoded
from polyreel.losses.objectives import InterModal
from polyreel.training.batches import Batches
from polyreel.training.keywords import Keywords
from polyreel.training.recipe import KEYWORD, BatchSpec, KeywordSpec
from polyreel.training.training_set import TrainingSet

GERMAN = Lexicon("de", {"play": ("spielen",), "guitar": ("Gitarre",), "dog": ("Hund",), "man": ("Mann",)})
CAPTIONS = ("a man is playing a red guitar on stage", "he plays his guitar", "playing the guitar", "a dog")


@pytest.fixture
def clips(tmp_path) -> TrainingSet:
    records = [
        Record(Clip(f"clip-{number}", 0.0, 0.0), (Caption(text, "en", 0.0, 0.0),))
        for number, text in enumerate(CAPTIONS)
    ]
    held = Record(
        Clip("held", 0.0, 0.0), (Caption("a dog is playing the guitar", "en", 0.0, 0.0),), split="dev"
    )
    write_table(tmp_path / "table", [*records, held], name="words")
    return TrainingSet(open_table(tmp_path / "table"), "train", languages=("en",))


def keywords(clips, **spec) -> Keywords:
    wanted = KeywordSpec(**{"languages": ("de",), "least_clips": 1, **spec})
    return Keywords([clips], {"de": GERMAN}, wanted, seed=0)


def test_content_words_and_verbs_with_their_object_in_base_form(clips):
    rows = list(map(int, clips.table.rows("train")))
    found = {clips.clip_id(row)[:6]: set(keywords(clips).of(0, row)) for row in rows}
    assert found["clip-0"] == {("man",), ("play",), ("guitar",), ("play", "guitar")}
    assert found["clip-1"] == {("play",), ("guitar",)}
    assert found["clip-3"] == {("dog",)}
    # The dog of dev is not counted: one clip has it, and two are wanted.
    often = keywords(clips, least_clips=2)
    assert [often.of(0, row) for row in rows if clips.clip_id(row)[:6] == "clip-3"] == [()]
    assert not any(("play",) in keywords(clips, most_clips=2).of(0, row) for row in rows)


def test_a_keyword_stands_in_one_of_the_languages(clips):
    (row,) = (row for row in map(int, clips.table.rows("train")) if clips.clip_id(row)[:6] == "clip-2")
    drawn = {found for epoch in range(200) for found in keywords(clips).draw(0, row, "clip-2", epoch)}
    assert {(tag, text) for key, tag, text in drawn if len(key) == 2} == {
        ("en", "play guitar"),
        ("de", "spielen Gitarre"),
    }
    assert len(list(keywords(clips, copies=3).draw(0, row, "clip-2", 0))) == 3
    assert not any(list(keywords(clips, p=0.0).draw(0, row, "clip-2", epoch)) for epoch in range(9))


def test_clips_that_have_a_keyword_are_no_negatives_of_it(clips):
    made = Batches(
        [clips], BatchSpec(batch_size=4), languages=("en", KEYWORD), seed=0, keywords=keywords(clips)
    )
    batch = made.make()
    said = {text: row for text, row, tag in zip(batch.texts, batch.also, batch.language, strict=True) if tag}
    assert said
    for text, row in said.items():
        having = {item[:6] for item, has in zip(batch.items, row, strict=True) if has}
        assert batch.items[int(batch.owner[batch.texts.index(text)])][:6] in having
        if text in {"guitar", "Gitarre", "play", "spielen"}:
            assert having == {"clip-0", "clip-1", "clip-2"}
    assert not batch.also[batch.language == 0].any()


def test_of_a_keyword_only_videos_without_it_cost_anything():
    generator = torch.Generator().manual_seed(0)
    unit = torch.nn.functional.normalize
    text, video = (unit(torch.randn(count, 8, generator=generator), dim=1) for count in (3, 3))
    every = torch.ones(3, dtype=torch.bool)

    def loss(also):
        owner, language = torch.arange(3), torch.tensor([0, 0, 1])
        encoded = Encoded(text, owner, language, torch.arange(3), every, video, also=also)
        return float(InterModal(average="text")(encoded, torch.tensor(0.1)))

    none = torch.zeros(3, 3, dtype=torch.bool)
    two, three = none.clone(), none.clone()
    two[2], three[2] = torch.tensor([True, False, True]), True
    assert loss(none) == pytest.approx(loss(None))
    own, other = (text[2] @ video[place] / 0.1 for place in (2, 1))
    left = float(torch.nn.functional.softplus(other - own))
    assert (loss(two) - loss(three)) * 3 == pytest.approx(left, rel=1e-4)
