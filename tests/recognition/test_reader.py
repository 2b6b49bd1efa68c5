"""Text in single pictures, read by the real model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polyreel.errors import FetchError, UsageError
from polyreel.library.search.word_index import spelt, stands_in
from polyreel.packages.fetch import _CLIENTS
from polyreel.recognition.screen import weights
from polyreel.recognition.screen.reader import PictureReader
from polyreel.recognition.screen.weights import ScreenModel, find_model, is_here
from videos import Image
from written_pictures import written


@pytest.fixture(scope="module")
def reader(screen_model: ScreenModel) -> PictureReader:
    return PictureReader(screen_model, threads=1)


def read(reader: PictureReader, picture: Image) -> dict[str, float]:
    """Texts and how sure they are, from the top on."""
    found = sorted(reader.read(picture, []), key=lambda each: each.box.bounds[1])
    return {each.text: each.confidence for each in found if each.text}


def test_latin_letters_and_their_marks_are_read(reader: PictureReader):
    shown = ["Größe und Übermaß", "Où est passé l'été", "Treni inaondoka saa tatu", "¿Dónde está?"]
    found = read(reader, written(*((text, 30, 20 + 80 * place) for place, text in enumerate(shown))))
    assert list(found) == shown
    assert min(found.values()) > 0.9


def test_what_loses_its_marks_is_found_by_its_letters_and_russian_gives_nothing(reader: PictureReader):
    czech, vietnamese = "Příliš žluťoučký kůň", "Hàng hóa bán trong tháng tám"
    picture = written((czech, 30, 40), (vietnamese, 30, 140), ("Где находится бюджет", 30, 240), px=28)
    found = read(reader, picture)
    assert len(found) == 2
    for words in (czech, "prilis zlutoucky kun", vietnamese, "hang hoa ban trong thang tam"):
        assert any(stands_in(spelt(words), text) for text in found), words


def test_text_on_end_is_read_either_way_round_and_mirrored_text_is_doubtful(reader: PictureReader):
    text = "The train leaves at nine"
    upright = written((text, 30, 100), px=30)
    for turns in (1, 3):
        assert list(read(reader, np.ascontiguousarray(np.rot90(upright, turns)))) == [text]
    mirrored = read(reader, np.ascontiguousarray(upright[:, ::-1]))
    assert max(mirrored.values(), default=0) < 0.8  # the least that a line needs


def test_three_scripts_at_once(reader: PictureReader):
    picture = written(("Departure", 30, 40), ("Αθήνα", 30, 130), ("Отправление", 30, 220), px=40)
    found = read(reader, picture)
    assert found["Departure"] > 0.9
    assert len(found) == 2  # Greek in part, Cyrillic not at all


def test_small_letters_in_a_large_picture_are_read(reader: PictureReader):
    """1,920 x 1,080 with letters of 30 px, as the worker hands it on: rapidocr's defaults miss them."""
    large = written(("The train leaves at nine", 900, 1000), px=30, size=(1920, 1080))
    reduced = np.asarray(large[: 1080 // 3 * 3].reshape(360, 3, 640, 3, 3).mean(axis=(1, 3)), np.uint8)
    assert "train leaves" in next(iter(read(reader, reduced)))


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (640, 8), (2, 64)])
def test_pictures_too_small_for_text_have_none(size: tuple[int, int], reader: PictureReader):
    assert read(reader, written(size=size)) == {}


def test_what_looks_the_same_is_not_read_again_and_what_changed_is(reader: PictureReader):
    first = reader.read(written(("Platform 9", 30, 100), ("Platform 4", 330, 100)), [])
    again = reader.read(written(("Platform 9", 31, 100), ("Platform 7", 330, 100)), first)
    texts = {each.text for each in first}, {each.text for each in again}
    assert texts == ({"Platform 9", "Platform 4"}, {"Platform 9", "Platform 7"})


def test_weights_that_cannot_be_had_are_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path))
    assert not is_here()

    def offline(*_arguments: object) -> Path:
        raise FetchError("the registry cannot be reached", item="rapidocr", remedy="Try again with a network")

    monkeypatch.setitem(_CLIENTS, "pypi", offline)
    with pytest.raises(FetchError, match="rapidocr"):
        find_model()


def test_weights_that_are_not_a_graph_are_one_message(tmp_path: Path):
    graph = tmp_path / "detector.onnx"
    graph.write_bytes(b"not a graph")
    with pytest.raises(UsageError, match=r"detector\.onnx"):
        PictureReader(ScreenModel(weights.MODEL, graph, graph))
