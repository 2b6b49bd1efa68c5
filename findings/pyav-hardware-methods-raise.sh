#!/usr/bin/env bash
# What:      "methods" of a codec's hardware configuration raises ValueError in PyAV for every decoder of its wheel. FFmpeg tells how
#            a device is handed over as a set of bits, and every decoder here takes it in more than one way (3 or 7); PyAV makes
#            a member of an IntEnum of it, which has only the single bits. "is_supported" and "device_type" can be read.
# Seen in:   av 18.1.0 (the wheel of PyPI, FFmpeg 8.1), Python 3.11, Linux: 36 of 36 configurations of 36 decoders; no device is
#            needed to see it. Opening a file with HWAccel works where there is one.
# Guessed:   a property of a public class can be read, or holds a set of flags.
# Hurts:     programs that ask which devices can decode a film before they choose one: the question that FFmpeg's own example
#            for hardware decoding asks, whether the configuration takes a device context, has no answer.
# So:        polyreel does not ask: it opens the device and compares its first pictures with those of the CPU
#            (polyreel.media.device_reader).
# Runs:      bash findings/pyav-hardware-methods-raise.sh; exit code 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "av==18.1.0"
cat >"$work/ask.py" <<'PYTHON'
import av

read = 0
refused: dict[str, int] = {}
for name in sorted(av.codecs_available):
    try:
        configurations = av.Codec(name, "r").hardware_configs or ()
    except av.codec.codec.UnknownCodecError:  # only encodes
        continue
    for configuration in configurations:
        try:
            configuration.methods
            read += 1
        except ValueError as error:
            refused[str(error)] = refused.get(str(error), 0) + 1
print(f"{read} read; " + "; ".join(f"{count} times {what}" for what, count in sorted(refused.items())))
PYTHON
said=$("$work/venv/bin/python" "$work/ask.py" 2>"$work/log") || { cat "$work/log" >&2; exit 1; }
echo "methods of hardware configurations: $said"
if [[ "$said" != "0 read; "*"times 3 is not a valid HWConfigMethod"* ]]; then
  echo "the behaviour has changed" >&2
  exit 1
fi
