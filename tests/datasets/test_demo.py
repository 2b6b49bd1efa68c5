"""The demo corpus: 61 clips that sit inside packages, with a caption in nine languages each."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest

from polyreel.datasets.readers.demo import demo_clips, shown_in_demo, within_budget
from polyreel.languages import STUDY_LANGUAGES, clean, detect
from polyreel.packages.members import cache_dir, sha256_of

CLIPS = demo_clips()
DEMO_BUDGET_BYTES = 150_000_000


def archives(clips) -> dict[str, int]:
    return {clip.source.archive: clip.source.archive_bytes or 0 for clip in clips}


def test_there_are_61_clips_in_a_fixed_order():
    assert len(CLIPS) == 61
    assert len({clip.id for clip in CLIPS}) == 61
    assert demo_clips() is CLIPS


def test_ids_are_those_of_the_content():
    for clip in CLIPS:
        assert clip.id == clip.source.sha256[:10]
        assert clip.source.file_name.startswith(clip.id)
        assert clip.duration_s > 0
        assert clip.width_px > 0
        assert clip.height_px > 0


def test_every_clip_has_one_caption_in_each_of_the_nine_languages():
    for clip in CLIPS:
        assert set(clip.captions) == set(STUDY_LANGUAGES)
        for language, caption in clip.captions.items():
            assert caption == clean(caption), (clip.id, language)
            assert unicodedata.is_normalized("NFC", caption)
            assert len(caption) >= 4


@pytest.mark.parametrize("language", STUDY_LANGUAGES)
def test_captions_are_in_their_language(language):
    guesses = Counter(detect(clip.captions[language]).language for clip in CLIPS)
    assert guesses[language] >= 55, guesses


def test_licences_are_noted():
    assert all(clip.footage for clip in CLIPS)
    assert all(clip.package_licence is None or clip.package_licence.strip() for clip in CLIPS)


def test_the_demo_downloads_less_than_its_budget():
    chosen = shown_in_demo()
    assert sum(archives(chosen).values()) <= DEMO_BUDGET_BYTES
    assert {clip.source.registry for clip in chosen} == {"pypi"}
    assert len(chosen) >= 25


def test_without_a_budget_every_clip_of_the_registries_is_taken():
    everything = within_budget(CLIPS, registries=("pypi", "npm", "debian"), budget_bytes=None)
    assert everything == list(CLIPS)
    pypi = within_budget(CLIPS, registries=["pypi"], budget_bytes=None)
    assert pypi == [clip for clip in CLIPS if clip.source.registry == "pypi"]


@pytest.mark.parametrize("budget_bytes", [0, 1_000_000, 20_000_000, 10**12])
def test_the_largest_archives_are_left_out_first(budget_bytes):
    chosen = within_budget(CLIPS, registries=("pypi", "npm"), budget_bytes=budget_bytes)
    kept, everything = archives(chosen), archives(c for c in CLIPS if c.source.registry in {"pypi", "npm"})
    assert sum(kept.values()) <= budget_bytes
    left_out = {name: size for name, size in everything.items() if name not in kept}
    if kept and left_out:
        assert max(kept.values()) <= min(left_out.values())
        assert sum(kept.values()) + min(left_out.values()) > budget_bytes


def test_registries_can_come_from_anywhere():
    chosen = within_budget(iter(CLIPS), registries=iter(("pypi",)), budget_bytes=None)
    assert chosen == [clip for clip in CLIPS if clip.source.registry == "pypi"]


def test_fetched_clips_are_the_expected_ones():
    """Those that are here already; nothing is fetched for this test."""
    here = [clip for clip in CLIPS if (cache_dir() / "clips" / clip.source.file_name).is_file()]
    if not here:
        pytest.skip("no clip was fetched yet: run 'polyreel demo'")
    for clip in here[:10]:
        path = cache_dir() / "clips" / clip.source.file_name
        assert path.stat().st_size == clip.source.bytes
        assert sha256_of(path) == clip.source.sha256
