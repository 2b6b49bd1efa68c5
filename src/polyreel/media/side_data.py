"""What accompanies a decoded frame: closed captions, the matrix that turns it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from av.sidedata import sidedata
from av.sidedata.sidedata import SideData, Type
from av.video.frame import VideoFrame

__all__ = ["side_data_of"]


def side_data_of(frame: VideoFrame) -> Mapping[Type, SideData]:
    """What accompanies ``frame``; nothing where PyAV does not know one of the kinds.

    ``frame.side_data`` would be the same for a cycle: the frame keeps what it hands out, and that keeps the
    frame, so that its picture waits for the garbage collector, and the decoder takes new memory for the next.
    A third of decoding goes into that.
    """
    container: Any = sidedata.SideDataContainer
    try:
        return cast("Mapping[Type, SideData]", container(frame))
    except ValueError:
        return {}
