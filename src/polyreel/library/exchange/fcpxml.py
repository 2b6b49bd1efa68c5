"""Final Cut Pro XML, written here: times are whole frames as fractions, so that 29.97 stays 30000/1001."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

from polyreel.library.exchange.moments import FilmMoment, address_of, common_rate
from polyreel.media.frame_rates import drops_frames

__all__ = ["as_fcpxml"]

# Final Cut Pro and Resolve read this version and later ones; from 1.9 on files are named in another place.
_VERSION = "1.8"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_fcpxml(moments: Sequence[FilmMoment], title: str) -> str:
    """Moments one after the other in a project.

    Args:
        moments: the clips.
        title: of the project.
    """
    rate = common_rate(moments)
    root = ElementTree.Element("fcpxml", version=_VERSION)
    resources = ElementTree.SubElement(root, "resources")
    formats: dict[tuple[Fraction, int, int], str] = {}
    assets: dict[Path, str] = {}
    leading = next(moment for moment in moments if moment.film.rate == rate)
    for moment in (leading, *moments):
        film = moment.film
        shape = film.rate, film.width_px, film.height_px
        if shape not in formats:
            formats[shape] = f"r{len(formats) + len(assets) + 1}"
            facts = {"id": formats[shape], "frameDuration": _time(1, film.rate)}
            size = {"width": str(film.width_px), "height": str(film.height_px)}
            ElementTree.SubElement(resources, "format", {**facts, **size})
        if moment.path not in assets:
            assets[moment.path] = f"r{len(formats) + len(assets) + 1}"
            _asset(resources, moment, assets[moment.path], formats[shape])
    library = ElementTree.SubElement(root, "library")
    event = ElementTree.SubElement(library, "event", name=_text(title))
    project = ElementTree.SubElement(event, "project", name=_text(title))
    lengths = [_length(moment, rate) for moment in moments]
    sequence = ElementTree.SubElement(
        project,
        "sequence",
        format=formats[leading.film.rate, leading.film.width_px, leading.film.height_px],
        duration=_time(sum(lengths), rate),
        tcStart="0s",
        tcFormat="DF" if drops_frames(rate) else "NDF",
    )
    spine = ElementTree.SubElement(sequence, "spine")
    offset = 0
    for moment, length in zip(moments, lengths, strict=True):
        clip = ElementTree.SubElement(
            spine,
            "asset-clip",
            ref=assets[moment.path],
            name=_text(moment.name),
            offset=_time(offset, rate),
            start=_time(moment.begins_at + moment.first, moment.film.rate),
            duration=_time(length, rate),
            format=formats[moment.film.rate, moment.film.width_px, moment.film.height_px],
            tcFormat=_counting(moment),
        )
        line = moment.hit.evidence.subtitle
        ElementTree.SubElement(clip, "note").text = _text(line.text if line else f"hit {moment.hit.rank}")
        offset += length
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n'


def _asset(resources: ElementTree.Element, moment: FilmMoment, name: str, shape: str) -> None:
    film = moment.film
    facts = {
        "id": name,
        "name": _text(moment.path.stem),
        "src": address_of(moment.path),
        "start": _time(moment.begins_at, film.rate),
        "duration": _time(film.pictures, film.rate),
        "hasVideo": "1",
        "format": shape,
    }
    if film.channels:
        facts |= {
            "hasAudio": "1",
            "audioSources": "1",
            "audioChannels": str(film.channels),
            "audioRate": str(film.sample_rate),
        }
    ElementTree.SubElement(resources, "asset", facts)


def _length(moment: FilmMoment, rate: Fraction) -> int:
    """Frames of the project that a moment takes."""
    return max(1, round(moment.length / moment.film.rate * rate))


def _counting(moment: FilmMoment) -> str:
    stated = moment.film.timecode
    is_dropping = drops_frames(moment.film.rate) and not (stated and stated[-3] == ":")
    return "DF" if is_dropping else "NDF"


def _time(frames: int, rate: Fraction) -> str:
    """So many frames in seconds: a fraction over the rate's numerator, as the format asks for."""
    seconds = frames * rate.denominator
    if seconds % rate.numerator == 0:
        return f"{seconds // rate.numerator}s"
    return f"{seconds}/{rate.numerator}s"


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
