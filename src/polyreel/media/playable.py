"""Whether browsers play a video as its file is; if not, what they are sent in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from polyreel.media.seeking import ReadingPlace, SeekableVideo

__all__ = ["MP4", "WEBM", "Playback", "Way", "how_to_copy", "how_to_play"]

Way = Literal["file", "copy", "encode"]
MP4, WEBM = "video/mp4", "video/webm"

# What Chromium, Firefox and Safari all play, by container. HEVC is not among it: it depends on the machine.
_PICTURES = {MP4: frozenset({"av1", "h264", "vp9"}), WEBM: frozenset({"av1", "vp8", "vp9"})}
_SOUNDS = {MP4: frozenset({"aac", "flac", "mp3", "opus"}), WEBM: frozenset({"opus", "vorbis"})}
# H.264 of more than eight bits or of full colour is played by few.
_PIXELS = frozenset({"yuv420p", "yuvj420p"})
_DEEPER_PIXELS = frozenset({"yuv420p10le"})
# Decoders by the names of their codecs.
_CODECS = {"libdav1d": "av1", "libaom-av1": "av1", "libvpx": "vp8", "libvpx-vp9": "vp9"}
# Pictures are copied from the one before that decodes alone, if that is not earlier than this.
_EARLIEST_S = 2.5
_EBML_HEAD_BYTES = 64
_KINDS_BY_SUFFIX = {
    **dict.fromkeys((".3g2", ".3gp", ".f4v", ".m4v", ".mov", ".mp4", ".qt"), "mp4"),
    ".webm": "webm",
}


@dataclass(frozen=True, slots=True)
class Playback:
    """How a browser gets a video.

    Attributes:
        way: "file" is the file itself; "copy" its pictures as they are coded, in another container; "encode"
            pictures that are coded anew.
        kind: MIME type of what is sent.
        begins_s: where in the video that begins, seconds. A file begins at 0, a copy at a picture that
            decodes alone, at or before what was asked for.
    """

    way: Way
    kind: str
    begins_s: float


def how_to_play(film: SeekableVideo, start_s: float) -> tuple[Playback, ReadingPlace]:
    """The cheapest way that every current browser plays, and where in the file to begin.

    Args:
        film: the opened file.
        start_s: what is to be seen first, seconds.
    """
    container = _container_of(film)
    if container is not None and _codec_of(film) in _PICTURES[container] and _is_simple(film):
        sound = None if film.sound is None else film.sound.codec_context.name
        if sound is None or _CODECS.get(sound, sound.removesuffix("float")) in _SOUNDS[container]:
            return Playback("file", container, 0.0), ReadingPlace()
    return how_to_copy(film, start_s)


def how_to_copy(film: SeekableVideo, start_s: float) -> tuple[Playback, ReadingPlace]:
    """As ``how_to_play``, but never the file itself."""
    place = film.key_before(start_s)
    codec = _codec_of(film)
    # AVI does not say when pictures are shown, which is not in the order of its packets where B-frames are.
    may_copy = _is_simple(film) and not film.is_avi and start_s - place.key_s <= _EARLIEST_S
    if may_copy and codec in _PICTURES[WEBM]:
        return Playback("copy", WEBM, place.key_s), place
    if may_copy and codec in _PICTURES[MP4] and film.stream.codec_context.extradata is not None:
        return Playback("copy", MP4, place.key_s), place
    return Playback("encode", WEBM, start_s), place


def _container_of(film: SeekableVideo) -> str | None:
    names = film.container.format.name.split(",")
    # A server tells the kind of a file by its name, and Firefox goes by that.
    if _KINDS_BY_SUFFIX.get(film.path.suffix.lower()) not in names:
        return None
    if "mp4" in names:
        return MP4
    if "webm" in names:  # as Matroska, which Firefox and Safari refuse
        with film.path.open("rb") as file:
            return WEBM if b"webm" in file.read(_EBML_HEAD_BYTES) else None
    return None


def _codec_of(film: SeekableVideo) -> str:
    name = film.stream.codec_context.name
    return _CODECS.get(name, name)


def _is_simple(film: SeekableVideo) -> bool:
    pixels = film.stream.codec_context.pix_fmt
    return pixels in _PIXELS or (pixels in _DEEPER_PIXELS and _codec_of(film) != "h264")
