"""What editors ask of a film: the size in which it is shown."""

from __future__ import annotations

import pytest

import videos
from polyreel.media.decode import VideoReader
from polyreel.media.film_facts import film_facts


@pytest.mark.parametrize(("rotation", "size"), [(0, (160, 120)), (90, (120, 160)), (180, (160, 120))])
def test_the_size_is_that_of_the_pictures_as_they_are_shown(tmp_path, rotation, size):
    path = videos.write_video(tmp_path / "phone.mp4", seconds=1, rotation=rotation)
    facts = film_facts(path)
    assert (facts.width_px, facts.height_px) == size
    with VideoReader(path) as reader:
        assert next(iter(reader.pictures(1))).display_size == size
    assert facts.pictures == 25


def test_a_film_without_a_frame_that_decodes_has_the_size_that_it_states(tmp_path):
    path = videos.write_video(tmp_path / "hurt.mp4", seconds=1, encoder_options={"bf": "0", "g": "1"})
    data = bytearray(path.read_bytes())
    begin, end = videos.find_box(bytes(data), b"mdat")
    data[begin + 8 : end] = bytes(end - begin - 8)
    path.write_bytes(data)
    facts = film_facts(path)
    assert (facts.width_px, facts.height_px) == (160, 120)
