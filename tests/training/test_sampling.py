"""Which clips are drawn: shares, epochs, and going on from a position."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyreel.errors import TrainingError
from polyreel.training.sampling import Position, Sampler


@dataclass
class Shop:
    """Clips 0 to ``size - 1``, of which some cannot be used."""

    size: int
    weight: float = 1.0
    refused: frozenset[int] = field(default=frozenset())
    name: str = "shop"

    def order(self, *, seed, epoch, start):
        return iter(map(int, np.random.default_rng([seed, epoch]).permutation(self.size)[start:]))

    def usable(self, row):
        return row not in self.refused


shops = st.lists(
    st.builds(Shop, size=st.integers(1, 40), weight=st.sampled_from([0.1, 0.5, 1.0, 3.0])),
    min_size=1,
    max_size=4,
)


@given(training_sets=shops, batch_size=st.integers(2, 50), batches=st.integers(1, 12))
def test_every_stock_comes_in_its_share(training_sets, batch_size, batches):
    sampler = Sampler(training_sets, batch_size=batch_size, seed=0)
    drawn = [sampler.draw() for _ in range(batches)]
    assert {len(batch) for batch in drawn} == {batch_size}
    taken = Counter(draw.training_set for batch in drawn for draw in batch)
    weights = np.array([training_set.size * training_set.weight for training_set in training_sets])
    due = batches * batch_size * weights / weights.sum()
    assert all(abs(taken[number] - share) <= len(training_sets) for number, share in enumerate(due))


@given(training_sets=shops, batch_size=st.integers(2, 50), before=st.integers(0, 8))
def test_a_saved_position_goes_on_as_if_nothing_had_happened(training_sets, batch_size, before):
    whole = Sampler(training_sets, batch_size=batch_size, seed=1)
    for _ in range(before):
        whole.draw()
    saved = Position.model_validate_json(whole.position.model_dump_json())
    again = Sampler(training_sets, batch_size=batch_size, seed=1, position=saved)
    assert [again.draw() for _ in range(5)] == [whole.draw() for _ in range(5)]
    assert again.position == whole.position


def test_each_clip_comes_once_an_epoch_in_another_order_each():
    sampler = Sampler([Shop(12)], batch_size=4, seed=0)
    epochs = [[draw.row for _ in range(3) for draw in sampler.draw()] for _ in range(3)]
    assert all(sorted(rows) == list(range(12)) for rows in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert sampler.position.epoch == (2,)


def test_clips_that_cannot_be_used_are_passed_over():
    sampler = Sampler([Shop(12, refused=frozenset({1, 5, 7}))], batch_size=3, seed=0)
    rows = [draw.row for _ in range(3) for draw in sampler.draw()]
    assert sorted(rows) == [0, 2, 3, 4, 6, 8, 9, 10, 11]


def test_a_corpus_without_a_usable_clip_is_named():
    with pytest.raises(TrainingError, match="no clip of the corpus can be trained on: shop"):
        Sampler([Shop(5, refused=frozenset(range(5)))], batch_size=2, seed=0).draw()


def test_a_position_of_other_data_is_refused():
    with pytest.raises(TrainingError, match=r"other data \(1 corpora, not 2\)"):
        Sampler([Shop(5), Shop(5)], batch_size=2, seed=0, position=Position.start(1))
