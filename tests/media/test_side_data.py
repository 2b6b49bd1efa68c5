"""What accompanies a frame, and what asking for it leaves behind."""

from __future__ import annotations

import gc

import av
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

import videos
from polyreel.media.side_data import side_data_of


def test_frames_that_were_asked_do_not_wait_for_the_collector(tmp_path):
    path = videos.write_video(tmp_path / "plain.mp4", seconds=1)
    gc.collect()
    before = frames_alive()
    gc.disable()
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                assert Type.DISPLAYMATRIX not in side_data_of(frame)
            del frame
        assert frames_alive() == before
    finally:
        gc.enable()


def frames_alive() -> int:
    # Not isinstance: other objects may warn when they are asked for their class.
    return sum(issubclass(type(each), VideoFrame) for each in gc.get_objects())
