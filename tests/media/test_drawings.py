"""SVG drawings are read as pictures."""

from __future__ import annotations

import pytest

from polyreel.errors import MediaError
from polyreel.media.jpeg import encode_jpeg
from polyreel.media.pictures import PICTURE_SUFFIXES, read_picture
from videos import corner

HALF = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72">'
    '<rect width="36" height="72" fill="#f00"/></svg>'
)


@pytest.mark.parametrize("before", ["", "\ufeff", "\n ", '<?xml version="1.0"?>\n<!-- drawn by hand -->\n'])
def test_a_drawing_fills_the_size_on_white(before):
    image = read_picture((before + HALF).encode(), size=(64, 64))
    assert image.shape == (64, 64, 3)
    assert image[32, 8].tolist() == [255, 0, 0]
    assert image[32, 60].tolist() == [255, 255, 255]
    assert ".svg" in PICTURE_SUFFIXES


def test_without_a_size_it_is_not_the_one_that_the_file_asks_for():
    huge = HALF.replace('viewBox="0 0 72 72"', 'width="90000" height="90000" viewBox="0 0 72 72"')
    assert read_picture(huge.encode()).shape == (512, 512, 3)


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("scheme", ["", "file://", " "])
def test_a_picture_elsewhere_on_the_disk_is_not_read(tmp_path, quote, scheme):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(encode_jpeg(corner(0)))
    inside = f"<image width='9' height='9' href={quote}{scheme}{secret}{quote}/></svg>"
    with pytest.raises(MediaError, match="refers to other files, which are not read: card"):
        read_picture(HALF.replace("</svg>", inside).encode(), item="card")


def test_an_entity_cannot_hide_one():
    with pytest.raises(MediaError, match="other files"):
        read_picture(b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "/etc/x.png">]>' + HALF.encode())


def test_a_reference_within_the_drawing_is_fine():
    twice = HALF.replace("<rect", '<rect id="r"').replace("</svg>", '<use href="#r" x="36"/></svg>')
    assert read_picture(twice.encode(), size=(8, 8))[4, 6].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    "content", [b"<svg", b"<?xml", b"<svg xmlns='http://www.w3.org/2000/svg'", b"<svg>\xff</svg>"]
)
def test_a_broken_drawing_is_named(content):
    with pytest.raises(MediaError, match="no drawing that can be read: card"):
        read_picture(content, item="card")
