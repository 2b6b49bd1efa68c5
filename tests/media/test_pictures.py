"""Still pictures from files and zips."""

from __future__ import annotations

import io
import random
import struct
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

import videos
from polyreel.encoders.card import FrameInput
from polyreel.errors import MediaError
from polyreel.media.appearance import Orientation, orientation_of
from polyreel.media.pictures import (
    PICTURE_SUFFIXES,
    OpenArchives,
    read_bytes,
    read_for_encoder,
    read_picture,
    scale_for_encoder,
)

CORNER = videos.corner(0)


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, cv2.cvtColor(CORNER, cv2.COLOR_RGB2BGR))[1].tobytes()


def shown_by_opencv(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def turned(orientation: int) -> bytes:
    """A JPEG that asks to be turned, as phones write it (EXIF tag 0x0112)."""
    plain = encoded(".jpg")
    tags = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, orientation, 0)
    segment = b"Exif\0\0" + tags
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".jpg", ".png", ".tiff", ".webp"])
def test_pictures_of_many_kinds_are_read_as_another_decoder_reads_them(suffix):
    shown = shown_by_opencv(encoded(suffix))
    assert suffix in PICTURE_SUFFIXES
    assert np.abs(read_picture(encoded(suffix)).astype(int) - shown).mean() < 3


class Untouchable:
    """A frame whose side data must not be asked for."""

    rotation = 90

    @property
    def side_data(self):
        raise AssertionError


@pytest.mark.parametrize("codec", ["png", "apng"])
def test_side_data_are_not_asked_for_where_reading_them_is_not_safe(codec):
    assert orientation_of(Untouchable(), codec) == Orientation(transposed=True, flipped=True)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_upright(orientation):
    shown = shown_by_opencv(turned(orientation))
    assert np.abs(read_picture(turned(orientation)).astype(int) - shown).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_a_turned_picture_with_opacity_is_upright(orientation, kind):
    facts = Image.Exif()
    facts[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(CORNER).convert("RGBA").save(
        file, kind, exif=facts, **({"lossless": True} if kind == "WEBP" else {})
    )
    shown = shown_by_opencv(turned(orientation))
    assert np.abs(read_picture(file.getvalue()).astype(int) - shown).mean() < 3


def test_the_size_asked_for_is_the_size_given():
    assert read_picture(encoded(".png"), size=(64, 48)).shape == (48, 64, 3)
    assert read_picture(turned(6), size=(64, 48)).shape == (48, 64, 3)


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".jpg", ".png", ".tiff", ".webp"])
def test_harmed_pictures_are_read_or_are_a_media_error(suffix):
    whole = encoded(suffix)
    for seed in range(40):
        generator = random.Random(seed)
        data = bytearray(whole[: generator.randrange(len(whole))] if seed % 3 == 0 else whole)
        for _ in range(generator.choice((1, 5, 30)) if data else 0):
            data[generator.randrange(len(data))] = generator.randrange(256)
        try:
            assert read_picture(bytes(data)).ndim == 3
        except MediaError:
            continue


@pytest.mark.parametrize("data", [b"", b"x", b"Dear diary" * 99])
def test_what_is_no_picture_is_named(data):
    with pytest.raises(MediaError, match=r"no picture.*holiday\.jpg"):
        read_picture(data, item="holiday.jpg")


@pytest.fixture
def album(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "狗.jpg").write_bytes(b"plain")
    with zipfile.ZipFile(tmp_path / "frames.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a/b.jpg", b"packed" + random.Random(0).randbytes(300))
    return tmp_path


def test_files_and_members_of_zips_are_found(album):
    assert read_bytes(album, "a/狗.jpg") == b"plain"
    assert read_bytes(album, "frames.zip!a/b.jpg").startswith(b"packed")


@pytest.mark.parametrize(
    "reference", ["../x", "/etc/passwd", "a/none.jpg", "a", "frames.zip!none", "a/狗.jpg!x", "x" * 300, ""]
)
def test_a_reference_that_leads_nowhere_or_out_is_a_media_error(album, reference):
    with pytest.raises(MediaError):
        read_bytes(album, reference)


def test_a_harmed_zip_gives_the_right_bytes_or_a_media_error(album):
    whole, right = (album / "frames.zip").read_bytes(), read_bytes(album, "frames.zip!a/b.jpg")
    for seed in range(80):
        data = bytearray(whole)
        data[random.Random(seed).randrange(len(data))] ^= 0x55
        (album / "harmed.zip").write_bytes(data)
        try:
            assert read_bytes(album, "harmed.zip!a/b.jpg") == right
        except MediaError:
            continue


def test_a_picture_beyond_reason_is_refused(album):
    with (album / "huge.jpg").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(MediaError, match="too large"):
        read_bytes(album, "huge.jpg")


def test_an_archive_stays_open_from_one_picture_to_the_next(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("1.png", b"one")
        packed.writestr("2.png", b"two")
    with OpenArchives() as archives:
        assert read_bytes(tmp_path, "a.zip!1.png", archives=archives) == b"one"
        path.unlink()
        assert read_bytes(tmp_path, "a.zip!2.png", archives=archives) == b"two"
        with pytest.raises(MediaError, match="no such member"):
            read_bytes(tmp_path, "a.zip!3.png", archives=archives)
    with pytest.raises(MediaError, match="cannot be read"):
        read_bytes(tmp_path, "a.zip!1.png", archives=archives)


def test_a_decoded_picture_is_scaled_as_a_file_is():
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "png")
    for resize in ("squash", "crop"):
        frames = FrameInput(width_px=32, height_px=24, fps=1, dim=3, resize=resize, kernel="bicubic")
        assert np.array_equal(scale_for_encoder(noise, frames), read_for_encoder(file.getvalue(), frames))
