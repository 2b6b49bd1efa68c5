"""The page of a film of any length: its parts hold everything once, and it stays a page of ordinary size."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import listening, serving, wait_for

import videos
from browsers import ENDS_WITH_ITS_PROCESS, browser
from films import index_films, subtitles
from polyreel.encoders.runtime import Bundle
from polyreel.library.results import ClipScore, LibraryLine
from polyreel.server.film import film_of, sections_of
from polyreel.server.timeline import draw_timeline
from tiny_bundle import PALETTE, write_tiny_bundle

HOUR_S = 3600.0


def clips_of(*starts_s: float, visual: float = 0.0) -> list[ClipScore]:
    return [
        ClipScore(
            clip_id=f"{'0' * 32}@{round(start_s * 1000):010d}",
            start_s=start_s,
            end_s=start_s + 1,
            visual=visual,
            strength=None,
            thumbnail="",
        )
        for start_s in starts_s
    ]


def lines_of(*starts_s: float, language: str = "en") -> list[LibraryLine]:
    return [
        LibraryLine(start_s=start_s, end_s=start_s + 1, text="so it is", language=language, source="a.srt")
        for start_s in starts_s
    ]


def every(duration_s: float, step_s: float) -> list[float]:
    return [place * step_s for place in range(int(duration_s / step_s))]


@pytest.mark.parametrize(
    ("duration_s", "step_s"),
    [(0.0, 1), (7.0, 1), (600.0, 6), (900.0, 5.3), (901.0, 5.3), (5 * HOUR_S, 5.3), (5 * HOUR_S, 0.9)],
)
def test_the_parts_hold_everything_once(duration_s, step_s):
    clips, lines = clips_of(*every(duration_s, step_s)), lines_of(*every(duration_s, 1.7 * step_s))
    sections = sections_of(duration_s, clips, lines)
    assert [clip for section in sections for clip in section.clips] == clips
    assert [line for section in sections for line in section.lines] == lines
    assert (sections[0].start_s, sections[-1].end_s) == (0.0, duration_s)
    for before, after in itertools.pairwise(sections):
        assert before.end_s == after.start_s
    for section in sections:
        assert len(section.clips) <= 100
        assert all(section.start_s <= moment.start_s < section.end_s for moment in section.clips)


@pytest.mark.parametrize(
    ("duration_s", "edges"),
    [
        (899.0, [0, 899]),
        (901.0, [0, 600, 901]),
        (1499.0, [0, 600, 1499]),
        (7200.0, [600.0 * place for place in range(13)]),
    ],
)
def test_a_part_is_ten_minutes_and_no_stump_is_left(duration_s, edges):
    sections = sections_of(duration_s, clips_of(*every(duration_s, 20)), ())
    assert [*(section.start_s for section in sections), sections[-1].end_s] == edges


def test_where_much_happens_parts_are_shorter_and_a_second_is_not_cut():
    busy = sections_of(1200.0, clips_of(*every(600, 1), *[650.0, 700.0]), ())
    assert [len(section.clips) for section in busy] == [75] * 8 + [2]
    at_once = sections_of(10.0, clips_of(*[3.0] * 5_000), lines_of(*[3.0] * 5_000))
    assert sum(len(section.clips) for section in at_once) == 5_000


def test_lines_before_the_beginning_and_after_the_end_are_in_the_outermost_parts():
    sections = sections_of(1200.0, (), lines_of(-2.0, 1.0, 601.0, 5_000.0))
    assert [[line.start_s for line in section.lines] for section in sections] == [
        [-2.0, 1.0],
        [601.0, 5_000.0],
    ]


@pytest.mark.parametrize(
    ("at_s", "start_s"), [(-1, 0), (0, 0), (599.9, 0), (600, 600), (1234, 1200), (9e9, 3000)]
)
def test_the_part_of_the_time_is_shown(at_s, start_s):
    film = film_of(3600.0, clips_of(*every(3600, 10)), (), at_s=at_s)
    assert film.section.start_s == start_s


def test_lines_are_shown_in_one_language():
    both = sorted(
        lines_of(*every(60, 5)) + lines_of(*every(60, 10), language="de"), key=lambda line: line.start_s
    )
    film = film_of(60.0, (), both)
    assert film.languages == {"en": 12, "de": 6}
    assert film.language == "en"
    assert film_of(60.0, (), both, wanted=["xx", "", "de", "en"]).language == "de"
    assert {line.language for line in film.section.lines} == {"en"}
    assert film_of(60.0, (), ()).language == ""


def test_a_long_film_is_seen_at_a_glance_and_a_short_one_is_shown_whole():
    clips = clips_of(*every(7200, 5))
    clips[700] = clips[700].model_copy(update={"visual": 0.9})
    glances = film_of(7200.0, clips, ()).glances
    assert len(glances) == 12
    assert clips[700] in glances
    assert clips[60] in glances  # the middle of its twelfth, where nothing matches
    assert film_of(60.0, clips[:12], ()).glances == ()


def test_a_timeline_of_thousands_of_clips_has_a_hundred_bars_and_keeps_the_best():
    clips = clips_of(*every(5 * HOUR_S, 5))
    clips[1801] = clips[1801].model_copy(update={"visual": 0.9})
    drawn = draw_timeline(clips, link=lambda clip: f"?t={clip.start_s}")
    assert drawn.count('class="bar"') == 100
    assert drawn.count('opacity="1.00"') == 1
    assert 'data-seek="9005.000"' in drawn
    assert draw_timeline(clips[:7]).count('class="bar"') == 7


@pytest.fixture(scope="module")
def five_hours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The library of a film of five hours with 3,600 clips and lines in three languages."""
    folder = tmp_path_factory.mktemp("five-hours")
    bundle = Bundle(write_tiny_bundle(folder / "bundle", spare=1, fps=0.2))
    colours = list(PALETTE.values())
    scenes = [((place + 1) * 5.0, videos.solid(colours[place % len(colours)])) for place in range(3_600)]
    (folder / "videos").mkdir()
    videos.write_video(
        folder / "videos" / "film.mp4",
        seconds=5 * HOUR_S,
        fps=0.2,
        size=(64, 48),
        picture=videos.scenes(*scenes),
    )
    for tag in ("en", "de", "fr"):
        spoken = [(start_s, start_s + 4, f"said at {start_s:.0f}") for start_s in every(5 * HOUR_S, 5)]
        subtitles(folder / "videos" / f"film.{tag}.srt", *spoken)
    index_films(folder / "videos", folder / "library", bundle)
    return folder / "library"


@pytest.mark.slow
def test_a_film_of_five_hours_is_less_than_200_kb_and_all_of_it_is_reached_by_links(five_hours):
    with serving(five_hours) as client:
        (video,) = client.get("/api/v1/videos").json()["videos"]
        assert video["clips"] == 3_600
        address = f"/videos/{video['id']}"
        text = client.get(address + "?q=red&t=9000").text
        assert len(text.encode()) < 200_000
        assert text.count("<img") < 130
        listed = re.search(r'<ol class="sections".*?</ol>', text, re.DOTALL)[0]
        parts = [html.unescape(link) for link in re.findall(r'href="([^"#]+)#section"', listed)]
        assert len(parts) == 60
        for part in parts[::25]:
            shown = client.get(address + part).text
            assert len(shown.encode()) < 200_000
            assert len(set(re.findall(r"/[?]like=([^\"]+)", shown))) == 60
        german = client.get(address + "?t=9000&lines=de").text
        assert '<ol lang="de"' in german
        assert "lines=de" in re.search(r'rel="next" href="([^"]+)"', german)[1]


@pytest.mark.slow
@ENDS_WITH_ITS_PROCESS
def test_only_pictures_near_what_is_seen_are_asked_for(five_hours, tmp_path):
    with browser(tmp_path) as started, listening(five_hours) as site:
        page = started.new_page(viewport={"width": 390, "height": 664}, locale="en")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        video = site.app.state.server.library.videos()[0]
        page.goto(f"{site.address}/videos/{video.id}?q=red", wait_until="networkidle")
        first = sum("/thumbnails/" in address for address in asked)
        assert 12 <= first < 72
        last = "[...document.querySelectorAll('.moments img')].at(-1)"
        assert not page.evaluate(f"{last}.naturalWidth")
        page.evaluate(f"{last}.scrollIntoView()")
        wait_for(lambda: page.evaluate(f"{last}.naturalWidth"))
