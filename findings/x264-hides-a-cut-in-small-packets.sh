#!/usr/bin/env bash
# What:      a slide goes black, and no packet of the change is larger than those in which the slide stands still. x264, with its default
#            settings, predicts the first black picture from the slide with a weight, and the rest of it skips: no key frame, 113 bytes at
#            most around the change. One picture of the slide that stands still takes up to 109.
# Seen in:   av 18.1.0 (the wheel of PyPI, FFmpeg 8.1 with x264), numpy 2.4.6, Python 3.11, Linux: 1280 x 720, 30 frames a second, black
#            from the sixtieth on. With "weightp=0" the change is the largest packet, 262 bytes.
# Guessed:   where nothing moves packets are smallest, and a change of the whole picture is the largest packet there is. Motion in
#            recordings of screens, lectures and gates is found by that, without decoding.
# Hurts:     whoever takes small packets for stillness: the change is missed up to the next key frame, which may be minutes.
# So:        polyreel leaves out small packets only if the key frame behind them, decoded, shows what was shown before
#            (polyreel.media.sampling, tests/media/test_still_stretches.py).
# Runs:      bash findings/x264-hides-a-cut-in-small-packets.sh; exit code 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "av==18.1.0" "numpy==2.4.6"
cat >"$work/slide.py" <<'PYTHON'
import io

import av
import numpy as np

CUT = 60
rng = np.random.default_rng(0)
slide = np.full((720, 1280, 3), 250, np.uint8)
for line in range(10):  # words, as it were
    for word in range(90):
        if rng.random() < 0.8:
            slide[100 + 55 * line : 100 + 55 * line + rng.integers(8, 24), 90 + 12 * word : 98 + 12 * word] = 30
black = np.zeros_like(slide)


def sizes(options: dict[str, str]) -> tuple[int, int, bool]:
    """Largest packet of a second of stillness; all from two pictures before the change to three behind it; a key among them."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = 1280, 720, "yuv420p", 1
        for number in range(100):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(slide if number < CUT else black, format="rgb24")))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as made:
        unit = float(made.streams.video[0].time_base)
        packets = [(packet.pts * unit * 30, packet.size, packet.is_keyframe) for packet in made.demux(video=0) if packet.size]
    with av.open(io.BytesIO(file.getvalue())) as made:
        bright = [frame.to_ndarray(format="gray").mean() > 100 for frame in made.decode(video=0)]
    assert bright == [number < CUT for number in range(100)], "the change is not where it was made"
    still = max(size for at, size, _ in packets if 25 < at < 55)
    change = [(size, is_key) for at, size, is_key in packets if CUT - 2.5 < at < CUT + 3.5]
    return still, max(size for size, _ in change), any(is_key for _, is_key in change)


for options in ({}, {"x264-params": "weightp=0"}):
    print(*sizes(options))
PYTHON
said=$("$work/venv/bin/python" "$work/slide.py" 2>"$work/log") || { cat "$work/log" >&2; exit 1; }
{ read -r still change key; read -r still_without change_without key_without; } <<<"$said"
echo "default: largest packet of the still slide $still bytes, of the change to black $change, a key frame: $key"
echo "weightp=0: $still_without, $change_without, $key_without"
if ((10 * change > 12 * still)) || [[ "$key" != False ]] || ((change_without < 2 * still_without)); then
  echo "the behaviour has changed" >&2
  exit 1
fi
