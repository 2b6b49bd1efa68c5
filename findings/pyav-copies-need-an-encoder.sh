#!/usr/bin/env bash
# What:      copying an AV1 track with PyAV's "add_stream_from_template" raises UnknownCodecError: libdav1d. For video tracks it
#            looks for an encoder under the name of the decoder, though packets are only copied and nothing is encoded; AV1 is
#            decoded by libdav1d and encoded by libsvtav1. VP8, H.264 and others pass, because there both have one name or
#            FFmpeg finds an encoder under the decoder's.
# Seen in:   av 18.1.0 (the wheel of PyPI, FFmpeg 8.1), Python 3.11, Linux: an AV1 film of ten frames in MP4, Matroska or WebM.
#            So do all tracks whose codec the wheel can only decode, such as Theora and VC-1. With "opaque=True", which the
#            documentation gives to "opaque data", the copy is made.
# Guessed:   remuxing asks for no encoder, as "ffmpeg -c copy" does not.
# Hurts:     whoever cuts or repackages AV1, as phones and video sites make it, with the remuxing example of PyAV's documentation.
# So:        polyreel asks for an encoder of that name itself, and copies with "opaque=True" where there is none
#            (polyreel.media.cuts.tracks).
# Runs:      bash findings/pyav-copies-need-an-encoder.sh; exit code 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "av==18.1.0" "numpy>=2,<3"
cat >"$work/tracks.py" <<'PYTHON'
import sys

import av
import numpy as np

folder = sys.argv[1]
for codec, options in (("libsvtav1", {"preset": "12", "svtav1-params": "lp=1"}), ("libx264", {})):
    with av.open(f"{folder}/{codec}.mp4", "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(10):
            picture = np.full((96, 128, 3), number * 20, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))


def copy(name: str, **how: bool) -> str:
    """Frames of a copy, or the error."""
    path = f"{folder}/copy.mp4"
    try:
        with av.open(f"{folder}/{name}.mp4") as source, av.open(path, "w") as out:
            stream = out.add_stream_from_template(source.streams.video[0], **how)
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
        with av.open(path) as copied:
            return f"{sum(1 for _ in copied.decode(video=0))} frames"
    except av.codec.codec.UnknownCodecError as error:
        return f"{type(error).__name__}: {error}"


for said in (copy("libx264"), copy("libsvtav1"), copy("libsvtav1", opaque=True)):
    print(said)
PYTHON
said=$("$work/venv/bin/python" "$work/tracks.py" "$work" 2>"$work/log") || { cat "$work/log" >&2; exit 1; }
{ read -r h264; read -r av1; read -r opaque; } <<<"$said"
echo "copies: H.264 $h264; AV1 $av1; AV1 with opaque=True $opaque"
if [[ "$h264" != "10 frames" || "$av1" != "UnknownCodecError: libdav1d" || "$opaque" != "10 frames" ]]; then
  echo "the behaviour has changed" >&2
  exit 1
fi
