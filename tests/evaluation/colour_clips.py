"""A folder of clips of one colour each, with captions in three languages."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from polyreel.media.jpeg import encode_jpeg
from tiny_bundle import PALETTE
from videos import solid, write_video

WORDS = {
    "red": {"en": "red", "de": "rot", "sw": "nyekundu"},
    "green": {"en": "green", "de": "grün", "sw": "kijani"},
    "blue": {"en": "blue", "de": "blau", "sw": "buluu"},
    "yellow": {"en": "yellow", "de": "gelb", "sw": "manjano"},
}


def _jpeg(colour: str) -> bytes:
    return encode_jpeg(np.full((32, 32, 3), PALETTE[colour], np.uint8))


def colour_clips(path: Path, **changes: object) -> Path:
    """Clips of four colours: two videos, a photo, and frames inside a zip."""
    path.mkdir()
    for name in ("red", "green"):
        write_video(path / f"{name}.mp4", seconds=2, picture=solid(PALETTE[name]))
    (path / "blue.jpg").write_bytes(_jpeg("blue"))
    with zipfile.ZipFile(path / "frames.zip", "w") as packed:
        packed.writestr("y/1.jpg", _jpeg("yellow"))
        packed.writestr("y/2.jpg", _jpeg("yellow"))
    media = {
        "red": "red.mp4",
        "green": "green.mp4",
        "blue": "blue.jpg",
        "yellow": ["frames.zip!y/1.jpg", "frames.zip!y/2.jpg"],
    }
    lines = [
        {"id": name, "media": media[name], "caption": {tag: [text] for tag, text in WORDS[name].items()}}
        | (changes if name == "red" else {})
        for name in media
    ]
    (path / "items.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )
    return path
