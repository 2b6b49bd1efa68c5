"""Animated emoji as clips, and the real packages."""

from __future__ import annotations

from collections import Counter

import pytest
from written import fails, write_annotations

import videos
from animated import write_animation
from polyreel.datasets.readers.emoji_anim import animated_emoji_records, fetch_animated_emoji
from polyreel.datasets.records import Record, VideoFile
from polyreel.errors import FetchError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.problems import Missing

RUN = [("red", 1_500), ("green", 1_500)]


@pytest.fixture
def folder(tmp_path):
    named = {"🐎": {"tts": ["horse"]}, "🏃‍♂": {"tts": ["man running"]}, "🏃‍♀": {"tts": ["woman running"]}}
    write_annotations(tmp_path, named)
    return tmp_path


def asset(folder, part, code):
    return folder / f"@lobehub/fluent-emoji-anim-{part}" / "assets" / f"{code}.webp"


def test_animations_are_clips_with_names_and_concepts(folder):
    man = write_animation(asset(folder, 1, "1f3c3-200d-2642-fe0f"), RUN)
    write_animation(asset(folder, 4, "1f3c3-200d-2640-fe0f"), RUN)
    write_animation(asset(folder, 4, "1f3c3-1f3fd-200d-2640-fe0f"), RUN)  # a skin tone
    found = list(animated_emoji_records(folder))
    assert all(isinstance(record, Record) for record in found)
    assert [record.clip.video for record in found] == ["1f3c3-200d-2640-fe0f", "1f3c3-200d-2642-fe0f"]
    assert (found[1].clip.start_s, found[1].clip.end_s, found[1].media) == (0.0, 3.0, VideoFile(man))
    assert [caption.language for caption in found[1].captions] == list(STUDY_LANGUAGES)
    assert {record.concept for record in found} == {"running"}


def test_what_cannot_be_used_is_named(folder):
    write_animation(asset(folder, 1, "1f40e"), RUN[:1])
    write_animation(asset(folder, 2, "1f40f"), RUN)
    videos.truncate(write_animation(asset(folder, 3, "1f3c3-200d-2642-fe0f"), RUN * 20), 0.5)
    assert {gone.id: gone.reason for gone in animated_emoji_records(folder) if isinstance(gone, Missing)} == {
        "1f40e": "a still picture",
        "1f40f": "no English name",
        "1f3c3-200d-2642-fe0f": "the animation cannot be opened",
    }


def test_a_folder_without_animations_says_how_to_get_them(folder):
    fails(lambda: list(animated_emoji_records(folder)), "no animated emoji", folder, "data fetch emoji-anim")


@pytest.mark.slow
def test_the_real_packages(tmp_path):
    try:
        folder = fetch_animated_emoji(tmp_path)
    except FetchError as error:
        pytest.skip(f"the packages cannot be fetched: {error}")
    found = list(animated_emoji_records(folder))
    records = [record for record in found if isinstance(record, Record)]
    assert len(records) == 734
    assert Counter(caption.language for record in records for caption in record.captions) == dict.fromkeys(
        STUDY_LANGUAGES, 734
    )
    assert Counter(gone.reason for gone in found if isinstance(gone, Missing)) == {"a still picture": 1_137}
    lengths = sorted(record.clip.end_s for record in records)
    assert (lengths[len(lengths) // 2], lengths[0] > 0) == (3.024, True)
