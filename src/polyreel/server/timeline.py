"""Timelines: where in a video a query matches, as a small drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from polyreel.library.results import ClipScore
from polyreel.units import clock

__all__ = ["draw_profile", "draw_timeline", "strength_shown"]

_WIDTH = 1_000
# More are narrower than a pixel or two, and a film of five hours has thousands of clips.
_BARS = 100
# Without a calibration: cosines of the default bundle from nothing to as good as it gets.
_LEAST, _MOST = 0.1, 0.45
# Probability from which on a clip is drawn in full: about the most that the default bundle gives a picture.
_FULL = 0.3

_DRAWING = Markup('<svg class="timeline" viewBox="0 0 {} 16" preserveAspectRatio="none" {}>{}</svg>')
_HIDDEN, _GROUP = Markup('aria-hidden="true"'), Markup('role="group" aria-label="{}"')
_BAR = Markup('<rect class="bar" x="{:.1f}" y="0" width="{:.1f}" height="12" opacity="{:.2f}"/>')
_LINK = Markup('<a href="{}" data-seek="{}" tabindex="-1"><title>{}</title>{}</a>')
_PROFILE = Markup('<path class="bar" d="{}"/>')
_PROFILE_BARS = 50
_HERE = Markup('<rect class="here" x="{:.1f}" y="13" width="{:.1f}" height="3"/>')


def strength_shown(clip: ClipScore) -> float:
    """How strongly a clip is drawn, 0 to 1."""
    if clip.strength is not None:
        return min(1.0, clip.strength / _FULL)
    return min(1.0, max(0.0, (clip.visual - _LEAST) / (_MOST - _LEAST)))


def draw_timeline(
    clips: Sequence[ClipScore],
    *,
    here: tuple[float, float] | None = None,
    link: Callable[[ClipScore], str] | None = None,
    label: str = "",
    bars: int = _BARS,
) -> Markup:
    """A drawing of a video's clips in time, the stronger the better they match.

    Where there are more clips than bars, neighbours share one, as strong as the best of them.

    Args:
        clips: all of one video, in order.
        here: start and end of the moment to mark, seconds.
        link: address of each clip; without it the drawing says nothing to a screen reader.
        label: what a screen reader calls it.
        bars: how many to draw at most.
    """
    whole_s = max((clip.end_s for clip in clips), default=0.0) or 1.0
    parts = []
    together = max(1, math.ceil(len(clips) / bars))
    for first in range(0, len(clips), together):
        shared = clips[first : first + together]
        best = max(shared, key=strength_shown)
        start_s, end_s = shared[0].start_s, shared[-1].end_s
        x, width = _WIDTH * start_s / whole_s, _WIDTH * (end_s - start_s) / whole_s
        bar = _BAR.format(x, max(width - 2, 1), 0.08 + 0.92 * strength_shown(best) ** 2)
        if link is not None:
            bar = _LINK.format(link(best), f"{best.start_s:.3f}", clock(best.start_s), bar)
        parts.append(bar)
    if here is not None:
        x, width = (_WIDTH * seconds / whole_s for seconds in (here[0], here[1] - here[0]))
        parts.append(_HERE.format(x, max(width, 6)))
    role = _HIDDEN if link is None else _GROUP.format(label)
    return _DRAWING.format(_WIDTH, role, Markup("").join(parts))


def draw_profile(clips: Sequence[ClipScore], here: tuple[float, float]) -> Markup:
    """A small drawing of a video in time, the higher the better it matches: a kilobyte, for cards.

    Of a video of one clip there is nothing to draw.

    Args:
        clips: all of one video, in order.
        here: start and end of the moment to mark, seconds.
    """
    if len(clips) < 2:
        return Markup()
    whole_s = max(clip.end_s for clip in clips) or 1.0
    together = max(1, math.ceil(len(clips) / _PROFILE_BARS))
    steps = []
    for first in range(0, len(clips), together):
        shared = clips[first : first + together]
        height = 1 + round(11 * max(map(strength_shown, shared)))
        x = round(_WIDTH * shared[0].start_s / whole_s)
        width = max(2, round(_WIDTH * shared[-1].end_s / whole_s) - x - 2)
        steps.append(f"M{x} 12v-{height}h{width}v{height}")
    marked = (_WIDTH * seconds / whole_s for seconds in (here[0], max(here[1] - here[0], 0.006 * whole_s)))
    parts = _PROFILE.format("".join(steps)) + _HERE.format(*marked)
    return _DRAWING.format(_WIDTH, _HIDDEN, parts)
