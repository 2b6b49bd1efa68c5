"""OpenTimelineIO's own format, by its library: the extra ``edit``."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from polyreel.extras import missing_extra
from polyreel.library.exchange.moments import FilmMoment, address_of, common_rate

__all__ = ["as_otio"]


def as_otio(moments: Sequence[FilmMoment], title: str) -> str:
    """Moments one after the other: a track of pictures, and one of sound if any film has some.

    Each clip counts in the frames of its own film. All are whole numbers: what OpenTimelineIO makes of
    seconds keeps fractions of frames, which are cut off later.

    Args:
        moments: the clips.
        title: of the timeline.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        import opentimelineio as otio
    except ModuleNotFoundError as error:
        raise missing_extra(
            "edit",
            "a package that this format needs is not installed",
            item=error.name,
            otherwise="edl and fcpxml need nothing",
        ) from error
    timeline = otio.schema.Timeline(title)
    timeline.global_start_time = otio.opentime.RationalTime(0, float(common_rate(moments)))
    with_sound = any(moment.film.channels for moment in moments)
    kinds = ("Video", "Audio") if with_sound else ("Video",)
    for kind in kinds:
        track = otio.schema.Track(f"{kind} 1", kind=kind)
        for moment in moments:
            track.append(
                _clip(otio, moment)
                if kind == "Video" or moment.film.channels
                else otio.schema.Gap(source_range=_range(otio, 0, moment.length, moment.film.rate))
            )
        timeline.tracks.append(track)
    text: str = otio.adapters.write_to_string(timeline, "otio_json")
    return text + "\n"


def _clip(otio: Any, moment: FilmMoment) -> Any:
    film, hit = moment.film, moment.hit
    media = otio.schema.ExternalReference(
        target_url=address_of(moment.path),
        available_range=_range(otio, moment.begins_at, film.pictures, film.rate),
    )
    media.name = moment.name
    facts = {"rank": hit.rank, "score": hit.score, "strength": hit.strength, "clip_id": hit.clip_id}
    line = hit.evidence.subtitle
    return otio.schema.Clip(
        name=moment.name,
        media_reference=media,
        source_range=_range(otio, moment.begins_at + moment.first, moment.length, film.rate),
        metadata={"polyreel": facts | ({"text": line.text, "language": line.language} if line else {})},
    )


def _range(otio: Any, start: int, length: int, rate: Fraction) -> Any:
    per_second = float(rate)
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, per_second), otio.opentime.RationalTime(length, per_second)
    )
