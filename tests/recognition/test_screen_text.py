"""Text in the pictures of real small videos, with its times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polyreel.errors import MediaError
from polyreel.recognition.protocol import START, RecognisedLine
from polyreel.recognition.screen.screen_text import ScreenText
from videos import Image, Picture, scenes, write_sound, write_video
from written_pictures import written


def still(image: Image) -> Picture:
    return lambda _time_s: image


def film(path: Path, picture: Picture, *, seconds: float = 2.0, rotation: int = 0) -> Path:
    height, width, _ = picture(0.0).shape
    return write_video(path, seconds=seconds, fps=1, size=(width, height), picture=picture, rotation=rotation)


def lines(screen: ScreenText, path: Path) -> list[RecognisedLine]:
    return [line for stretch in screen.recognise(path) for line in stretch.lines]


def test_captions_have_their_times_and_language_and_columns_do_not_interleave(
    screen: ScreenText, tmp_path: Path
):
    caption = written(("Tickets are sold", 30, 280), ("at the second gate", 30, 310))
    columns = written(
        ("Montag und Dienstag", 30, 40),
        ("von neun bis zwölf", 30, 70),
        ("Open from Monday", 340, 40),
        ("until Saturday", 340, 70),
    )
    path = film(tmp_path / "a.mp4", scenes((4, still(caption)), (4, still(columns))), seconds=8)
    found = lines(screen, path)
    assert [(line.text, line.start_s, line.end_s, line.language) for line in found] == [
        ("Tickets are sold at the second gate", 0, 4, "en"),
        ("Montag und Dienstag von neun bis zwölf", 4, 8, "de"),
        ("Open from Monday until Saturday", 4, 8, "en"),
    ]
    assert {line.source for line in found} == {"screen"}
    assert min(line.confidence for line in found) > 0.9


def test_a_video_that_players_turn_is_read_upright(screen: ScreenText, tmp_path: Path):
    stored = np.ascontiguousarray(np.rot90(written(("Tickets are sold here", 30, 100)), 1))
    found = lines(screen, film(tmp_path / "a.mp4", still(stored), rotation=90))
    assert [line.text for line in found] == ["Tickets are sold here"]


def test_a_file_without_pictures_has_no_lines_and_a_broken_one_is_an_error(
    screen: ScreenText, tmp_path: Path
):
    assert lines(screen, write_sound(tmp_path / "a.m4a")) == []
    broken = tmp_path / "b.mp4"
    broken.write_bytes(b"not a film" * 100)
    with pytest.raises(MediaError, match=r"b\.mp4"):
        lines(screen, broken)


@pytest.mark.slow
def test_an_interrupted_file_goes_on_where_it_was(screen: ScreenText, tmp_path: Path):
    words = [f"{name} morning" for name in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")] * 4
    shown = (still(written((word, 60, 160 + 40 * (n % 2)), px=30)) for n, word in enumerate(words))
    path = film(
        tmp_path / "a.mp4",
        scenes(*((10 * n, picture) for n, picture in enumerate(shown, start=1))),
        seconds=200,
    )
    stretches = list(screen.recognise(path))
    assert len(stretches) > 2
    whole = [line for stretch in stretches for line in stretch.lines]
    assert [(line.text, line.start_s) for line in whole] == [(w, 10.0 * n) for n, w in enumerate(words)]
    assert stretches[0].until > START
    rest = [line for each in screen.recognise(path, begin=stretches[0].until) for line in each.lines]
    assert [*stretches[0].lines, *rest] == whole
