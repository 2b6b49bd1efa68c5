"""What is in a batch, and that it does not depend on how many processes share it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

import toys
from polyreel.clips import Caption, Clip
from polyreel.codeswitch.switching import Switched
from polyreel.datasets.records import Record
from polyreel.datasets.store.feature_writer import write_features
from polyreel.datasets.store.table import open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.training.batches import Batches, Switching
from polyreel.training.neighbours import Neighbours
from polyreel.training.recipe import MIXED, BatchSpec
from polyreel.training.stable_random import uniform
from polyreel.training.training_set import TrainingSet

LANGUAGES = (*toys.LANGUAGES, MIXED)


@pytest.fixture
def films(world) -> TrainingSet:
    return TrainingSet(
        open_table(world.home / "films"), "train", languages=toys.LANGUAGES, features=[toys.FEATURES]
    )


@pytest.fixture
def texts(world) -> TrainingSet:
    return TrainingSet(open_table(world.home / "texts"), "train", languages=toys.LANGUAGES)


def batches(
    training_sets, *, seed=0, switching=None, neighbours=None, rank=0, size=1, position=None, **spec
) -> Batches:
    return Batches(
        training_sets,
        BatchSpec(**{"batch_size": 8, **spec}),
        languages=LANGUAGES,
        seed=seed,
        switching=switching,
        neighbours=neighbours,
        rank=rank,
        size=size,
        position=position,
    )


def stock_of(folder, *captions: dict[str, list[str]], concepts=()) -> TrainingSet:
    """A corpus of text: for each clip its captions by language."""
    records = [
        Record(
            Clip(f"clip-{number}", 0.0, 0.0),
            tuple(Caption(text, tag, 0.0, 0.0) for tag, said in texts.items() for text in said),
            concept=concepts[number] if concepts else "",
        )
        for number, texts in enumerate(captions)
    ]
    write_table(folder, records, name="made")
    return TrainingSet(open_table(folder), "train", languages=toys.LANGUAGES)


def switched(*parts: tuple[str, str]) -> Switched:
    into = Counter(tag for tag, _ in parts if tag != "en")
    return Switched("".join(part for _, part in parts), len(parts), dict(into), dict(into), parts)


def said(batch, item: int) -> dict[str, str]:
    return {
        LANGUAGES[batch.language[place]]: batch.texts[place]
        for place in range(len(batch.texts))
        if batch.owner[place] == item
    }


def test_a_clip_comes_with_a_caption_in_each_of_its_languages(films):
    batch = batches([films]).make()
    for item, clip_id in enumerate(batch.items):
        captions = films.texts(films.table.index_of(clip_id))
        assert said(batch, item).keys() == captions.keys()
        assert all(text in captions[tag] for tag, text in said(batch, item).items())
        shown = torch.from_numpy(films.frames(films.table.index_of(clip_id), at_most=32))
        assert torch.equal(batch.frames[item][batch.frame_mask[item]], shown)
    assert bool(batch.has_video.all())


def test_clips_with_and_without_video_share_a_batch(films, texts):
    batch = batches([films, texts], batch_size=40).make()
    assert 0 < int(batch.has_video.sum()) < 40
    assert not bool(batch.frame_mask[~batch.has_video].any())
    only = batches([texts]).make()
    assert only.frames is None
    assert only.frame_mask is None


@pytest.mark.parametrize("size", [2, 3, 8])
def test_processes_share_the_very_batch_of_one(films, texts, size):
    switching = Switching(lambda text, key, epoch: switched(("en", text), ("de", f" {key} {epoch}")))
    whole = batches([films, texts], switching=switching, captions=2).make()
    parts = [
        batches([films, texts], switching=switching, captions=2, rank=rank, size=size).make()
        for rank in range(size)
    ]
    assert sum((part.items for part in parts), ()) == whole.items
    assert sum((part.texts for part in parts), ()) == whole.texts
    for name in ("concept", "language", "has_video", "item_key", "text_key"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))
    assert sum((part.parts for part in parts), ()) == whole.parts
    assert sum((part.switched for part in parts), ()) == whole.switched
    assert torch.equal(torch.cat([part.owner + part.first for part in parts]), whole.owner)
    assert {part.position for part in parts} == {whole.position}


def test_the_seed_decides_and_a_position_goes_on(films, texts):
    one, other = batches([films, texts]), batches([films, texts])
    made = [one.make() for _ in range(6)]
    assert [other.make().texts for _ in range(6)] == [batch.texts for batch in made]
    again = batches([films, texts], position=made[2].position)
    assert [again.make().texts for _ in range(3)] == [batch.texts for batch in made[3:]]
    assert batches([films, texts], seed=1).make().items != made[0].items


def test_so_many_captions_first_of_different_languages(tmp_path):
    training_set = stock_of(tmp_path, *[{"en": ["a", "b"], "de": ["c"]}] * 4)
    for count, expected in ((1, 1), (2, 2), (3, 3), (9, 3)):
        batch = batches([training_set], batch_size=4, captions=count).make()
        assert Counter(batch.owner.tolist()) == dict.fromkeys(range(4), expected)
        if count == 2:
            assert {frozenset(said(batch, item)) for item in range(4)} == {frozenset({"en", "de"})}
        if count == 9:
            assert sorted(batch.texts) == sorted(["a", "b", "c"] * 4)


@pytest.mark.parametrize(("balance", "english"), [(0.0, 0.5), (1.0, 0.75), (0.5, 0.634)])
def test_languages_are_drawn_in_balance(tmp_path, balance, english):
    """Three English captions to one German: with power b, English is drawn 3^b / (3^b + 1) of the time."""
    training_set = stock_of(tmp_path, *[{"en": ["a", "b", "c"], "de": ["d"]}] * 50)
    made = batches([training_set], batch_size=50, captions=1, balance=balance)
    drawn = torch.cat([made.make().language for _ in range(40)])
    assert float((drawn == 0).float().mean()) == pytest.approx(english, abs=0.03)


def test_positives_are_clips_of_one_concept_and_clips_that_share_a_caption(tmp_path):
    training_set = stock_of(
        tmp_path,
        {"en": ["a dog", "one"]},
        {"en": ["two"], "de": ["ein hund"]},
        {"en": ["three", "a dog"]},
        {"en": ["four"], "de": ["ein hund"]},
        {"en": ["five"]},
        {"de": ["three"]},
        concepts=["x", "", "", "", "x", ""],
    )
    batch = batches([training_set], batch_size=6, captions=1).make()
    concept = {clip_id: int(number) for clip_id, number in zip(batch.items, batch.concept, strict=True)}
    of = [concept[training_set.table.clip(number).clip_id] for number in range(6)]
    # 0 and 4 by concept, 0 and 2 by a caption of which perhaps neither is in the batch, 1 and 3 by a caption;
    # "three" in another language is another text.
    assert of[0] == of[2] == of[4]
    assert of[1] == of[3]
    assert len(set(of)) == 3


@pytest.mark.parametrize("instead", [False, True])
def test_code_switched_texts_stand_beside_or_instead(films, instead):
    switching = Switching(lambda text, key, epoch: switched(("en", text.upper())), instead=instead, copies=2)
    batch = batches([films], switching=switching).make()
    for item in range(len(batch.items)):
        own = (batch.owner == item).nonzero().flatten().tolist()
        mixed = [batch.texts[place] for place in own if LANGUAGES[batch.language[place]] == MIXED]
        assert len(mixed) == 2
        assert all(text.isupper() for text in mixed)
        assert ("en" in said(batch, item)) is not instead


def test_switchings_recur_after_so_many_variants(tmp_path):
    training_set = stock_of(tmp_path, {"en": ["a"]}, {"en": ["b"]})
    switching = Switching(
        lambda text, key, epoch: switched(("en", f"{text}{epoch}")), instead=True, variants=2
    )
    made = batches([training_set], batch_size=2, switching=switching)
    assert [sorted(made.make().texts) for _ in range(3)] == [["a0", "b0"], ["a1", "b1"], ["a0", "b0"]]


def english_and_mixed(batch) -> dict[str, set[str]]:
    """Clip -> its English and code-switched texts."""
    found: dict[str, set[str]] = {item: set() for item in batch.items}
    for place, text in enumerate(batch.texts):
        if LANGUAGES[batch.language[place]] in {"en", MIXED}:
            found[batch.items[batch.owner[place]]].add(text)
    return found


def test_recipes_that_differ_in_something_else_see_the_same_texts_of_a_clip(tmp_path, films):
    """Keyed by seed, clip, epoch and copy: not by corpora, languages, or how many captions are shown."""
    captions = [{"en": [f"{n} {m}" for m in range(5)], "de": ["x", "y"], "sw": ["z"]} for n in range(12)]
    one = stock_of(tmp_path / "one", *captions)
    other = stock_of(tmp_path / "other", *[{"en": texts["en"]} for texts in captions])
    switching = Switching(
        lambda text, key, epoch: switched(("en", text), ("de", f" {key} {epoch}")), copies=2
    )
    first, second = (batches([some], batch_size=12, switching=switching) for some in (one, other))
    third = batches([films, other], batch_size=20, switching=switching, captions=1)
    seen = [english_and_mixed(first.make()) for _ in range(3)]
    assert [english_and_mixed(second.make()) for _ in range(3)] == seen
    for _ in range(3):
        batch = third.make()
        for item, texts in english_and_mixed(batch).items():
            if item in seen[0]:
                assert texts in [some[item] for some in seen]
    assert len({frozenset(some["clip-0@0000000000"]) for some in seen}) == 3
    assert batches([one], batch_size=12, switching=switching, seed=1).make().texts != seen


def test_long_clips_are_shown_evenly(world, tmp_path):
    write_table(tmp_path, [Record(Clip("long", 0.0, 9.0), (Caption("x", "en", 0.0, 9.0),))], name="long")
    rows = np.arange(9.0)[:, None]
    write_features(tmp_path, "f", [("long@0000000000", rows)], dim=1, rate_hz=1.0)
    training_set = TrainingSet(open_table(tmp_path), "train", languages=["en"], features=["f", "f"])
    assert training_set.dim == 2
    assert training_set.frames(0, at_most=3).tolist() == [[0, 0], [4, 4], [8, 8]]
    assert len(training_set.frames(0, at_most=9)) == 9


def test_hard_negatives_are_similar_and_not_of_the_same_concept(films):
    found = Neighbours([films], lambda texts: np.zeros((len(texts), 2), np.float32), seed=0)
    rows = list(map(int, films.table.rows("train")))
    for row in rows[:6]:
        near = found(0, row)
        assert len(near) == 16
        assert row not in near
        assert all(films.concept(int(other)) != films.concept(row) for other in near)
    batch = batches([films], batch_size=8, hard_negatives=0.5, neighbours=found).make()
    assert len(set(batch.items)) == 8
    near_ones = {
        films.table.clip(int(other)).clip_id
        for item in batch.items[:4]
        for other in found(0, films.table.index_of(item))
    }
    assert set(batch.items[4:]) <= near_ones


def test_chance_belongs_to_the_key():
    keys = torch.tensor([5, 7, 2**62])
    drawn = uniform(keys, 1000)
    assert torch.equal(uniform(keys[[2, 0]], 10), drawn[[2, 0], :10])
    assert float(drawn.min()) >= 0
    assert float(drawn.max()) < 1
    assert drawn.mean(dim=1).tolist() == pytest.approx([0.5] * 3, abs=0.03)
    assert abs(float(torch.corrcoef(drawn)[0, 1])) < 0.1


def uploads(folder) -> TrainingSet:
    """Forty clips of ten uploads, two of which are in dev, too."""
    records = [
        Record(
            Clip(f"{split}-{number}", 0.0, 0.0),
            (Caption("a dog runs", "en", 0.0, 0.0),),
            split,
            source=f"upload {number // 4}",
        )
        for split, numbers in (("train", range(40)), ("dev", (0, 12)))
        for number in numbers
    ]
    write_table(folder, records, name="made")
    return TrainingSet(
        open_table(folder), "train", languages=["en"], held_out=0.3, without_sources_of=["dev", "test"]
    )


def test_what_shares_a_source_with_dev_is_never_drawn_and_uploads_are_held_out_whole(tmp_path):
    kept = uploads(tmp_path)
    assert str(kept.left_out) == "made/train: 8 of 40 clips share a source with dev and are left out"
    assert kept.size == round(32 * 0.7)
    usable = [[kept.usable(4 * upload + at) for at in range(4)] for upload in range(10)]
    assert all(len(set(clips)) == 1 for clips in usable)
    assert not usable[0][0]
    assert not usable[3][0]
    assert 2 <= sum(clips[0] for clips in usable) <= 8
    assert kept.passed_over == 0


def test_what_is_held_out_is_never_drawn(world, films):
    kept = TrainingSet(films.table, "train", languages=toys.LANGUAGES, features=[toys.FEATURES], held_out=0.3)
    left = {row for row in map(int, films.table.rows("train")) if not kept.usable(row)}
    assert 5 < len(left) < 25
    # The first four films are two pairs of one concept: a pair stays together.
    assert (0 in left) == (1 in left)
    assert (2 in left) == (3 in left)
    made = batches([kept])
    drawn = {films.table.index_of(item) for _ in range(20) for item in made.make().items}
    assert drawn.isdisjoint(left)
    assert kept.passed_over == 0, "what is held out is not lost"
