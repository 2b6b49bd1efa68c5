"""Features that come back from a cluster in any order, and media whose readers are lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polyreel.clips import Clip
from polyreel.datasets.records import VideoFile
from polyreel.datasets.store.features_on_ray import _InOrder
from polyreel.datasets.store.media_features import ClipFeatures, MediumJob
from polyreel.scale.crew import ACTORS_FOR_A_FILE, Crew, Lost, Todo


def medium(number: int) -> MediumJob:
    return MediumJob(number, (Clip(f"v{number}", 0.0, 4.0),), VideoFile(Path(f"{number}.mp4")))


def made(job: MediumJob) -> list[ClipFeatures]:
    return [ClipFeatures(clip.clip_id, np.ones((1, 3), np.float16)) for clip in job.clips]


@pytest.fixture
def todo() -> Todo[MediumJob]:
    return Todo((), count=0)


@pytest.fixture
def order(todo) -> _InOrder:
    return _InOrder(Crew(lambda: None, wanted=2), todo, 3)


def test_what_comes_out_of_turn_waits_for_those_before_it(order):
    first, second, third = (made(medium(number)) for number in range(3))
    assert [*order.release(medium(1), second)] == []
    assert [*order.release(medium(0), first)] == [first, second]
    assert [*order.release(medium(2), third)] == [third]
    assert order.is_near(medium(4))
    assert not order.is_near(medium(100))  # or all of a table would wait for one long film


def test_a_medium_that_its_readers_end_at_has_no_rows(order, todo):
    for _ in range(ACTORS_FOR_A_FILE - 1):
        assert [*order.take(None, medium(0), Lost("gone"))] == []
        assert todo.take() == medium(0)
    ((clip,),) = order.take(None, medium(0), Lost("the node is gone"))
    assert clip.rows.shape == (0, 3)
    assert "0.mp4 (the node is gone)" in str(clip.problem)
