"""``python benchmarks/quiet.py``: lines that recognising speech makes of an hour in which nobody speaks.

Made here, 20 minutes: silence, white, pink and brown noise, a hum, clicks, and chords with a beat. Footage:
the sound of the demo's clips, but for those in which somebody speaks or may, and the sounds of animals,
tools and vehicles that come with ``tuxpaint-stamps-default``, joined with half a second between them. Music:
that of two games, Debian's ``hyperrogue-music`` and ``frozen-bubble-data``, as much as fills the hour.
Nothing is played twice.

The guard against music was chosen on the half called "dev": another game's music (``singularity-music``) and
every other file of the footage, the clip "kitteh" among them. What is reported by default is the other half;
of its footage every file had been heard before that guard was made, and none had made a line.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import av
import numpy as np
from numpy.typing import NDArray

from common import SKIPPED, Report, options
from demo_recall import fetched_clips
from polyreel.datasets.readers.stamps import STAMPS_ARCHIVE
from polyreel.errors import PolyreelError
from polyreel.packages.members import Archive
from polyreel.recognition.protocol import LineRecogniser
from polyreel.recognition.registry import has_speech, load_speech
from speech import RATE, fetched, heard, sound_of, write_wave

MADE_MINUTES, ALL_MINUTES = 20.0, 60.0
PAUSE_S = 0.5


def package(name: str, version: str, archive_bytes: int, sha256: str) -> Archive:
    """One of Debian's."""
    return Archive(
        registry="debian",
        package=name,
        version=version,
        archive=f"{name}_{version}_all.deb",
        archive_bytes=archive_bytes,
        sha256=sha256,
    )


MUSIC = {
    "dev": [
        package(
            "singularity-music",
            "007-2",
            51_636_048,
            "139ba1e408eeb0a72f1fff3760ca46558b9f81bed97dc8c0efa108c4007f4845",
        )
    ],
    "reported": [
        package(
            "hyperrogue-music",
            "12.0q-1",
            63_836_788,
            "61ab9f4c2169442d85f42c42d26e80c1a18b93c741f3d44f1b9d83015904e7f7",
        ),
        package(
            "frozen-bubble-data",
            "2.212-11",
            21_929_412,
            "39cdfd07d9532d1558762cf265a844d09015c4540568573c50f444cc084166e0",
        ),
    ],
}
# Clips in which somebody speaks, or stands and may.
SPOKEN = ("oa4_launch", "movie.avi", "test_vid", "climbing", "testMovie")
# Stamps that speak: letters and digits, letters on a spinning top, and what an astronaut says.
SPEAKING = re.compile(r"_desc|_[a-z]{2,3}(_[A-Z]{2})?\.ogg$|/symbols/|/hanukkah/|apollo")
# Shorter files of a game are effects.
LEAST_MUSIC_BYTES = 300_000
Samples = NDArray[np.int16]


def main() -> int:
    """Hear each kind, and count lines."""
    parser = options(__doc__)
    parser.add_argument("--half", choices=tuple(MUSIC), default="reported", help="of music and footage")
    arguments = parser.parse_args()
    if not has_speech():
        print("left out: the extra 'speech' is not installed", file=sys.stderr)
        return SKIPPED
    report = Report("quiet", arguments, packages=("faster-whisper", "ctranslate2"))
    scale = 0.02 if arguments.quick else 1.0
    try:
        footage = list(footage_of(arguments.half, quick=arguments.quick))
        for archive in MUSIC[arguments.half]:
            fetched(archive, is_music)
    except (PolyreelError, OSError) as error:
        print(f"left out: {error}", file=sys.stderr)
        return SKIPPED
    rows: list[list[object]] = []
    engine = load_speech()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        add([], engine, "loading", [("", np.zeros(RATE, np.int16))], work)
        for name, sound in made(60 * MADE_MINUTES * scale, arguments.seed):
            cost = add(rows, engine, name, [(name, sound)], work)
            if name == "silence":
                report.target("processor seconds a second of silence", cost, "<=", 0.02)
        add(rows, engine, "footage and sounds", footage, work)
        left_s = 60 * ALL_MINUTES * scale - sum(60 * float(str(row[1])) for row in rows)
        add(rows, engine, "music", filling(music_of(arguments.half), left_s), work)
    report.table("Nobody speaks", ["sound", "minutes", "lines", "CPU s a second"], rows)
    report.target("lines where nobody speaks", sum(int(str(row[2])) for row in rows), "<=", 1)
    return report.close()


def add(
    rows: list[list[object]],
    engine: LineRecogniser,
    name: str,
    sounds: Iterator[tuple[str, Samples]] | list[tuple[str, Samples]],
    work: Path,
) -> float:
    """Hear sounds, each as a file; a row of what came of it. Processor seconds a second of sound."""
    seconds = cost_s = 0.0
    count = 0
    for label, samples in sounds:
        path = work / "sound.wav"
        seconds += write_wave(path, samples)
        lines, spent_s = heard(engine, path)
        cost_s += spent_s
        count += len(lines)
        for line in lines:
            print(f"{label}, {line.start_s:.1f} s: {line.text} ({line.language})", file=sys.stderr)
    rows.append([name, f"{seconds / 60:.1f}", count, f"{cost_s / max(seconds, 1):.4f}"])
    print(" | ".join(map(str, rows[-1])), file=sys.stderr, flush=True)
    return cost_s / max(seconds, 1)


def footage_of(half: str, *, quick: bool) -> Iterator[tuple[str, Samples]]:
    """Sound of real clips, one by one, and the sounds of stamps as one."""
    clips = [
        path for path in fetched_clips(pypi_only=False)[1] if not any(word in path.name for word in SPOKEN)
    ]
    loud = [path for path in sorted(clips) if has_sound(path)]
    for path in half_of(loud, half)[: 2 if quick else None]:
        yield path.name, sound_of(path)
    folder = fetched(STAMPS_ARCHIVE, lambda path: path.suffix in {".txt", ".ogg"})
    stamps = sorted(path for path in folder.rglob("*.ogg") if not SPEAKING.search(path.as_posix()))
    pause = np.zeros(round(PAUSE_S * RATE), np.int16)
    joined = [part for path in half_of(stamps, half) for part in (sound_of(path), pause)]
    yield "stamps", np.concatenate(joined[: 10 if quick else None])


def has_sound(path: Path) -> bool:
    """Whether a clip has a sound track."""
    with av.open(str(path)) as container:
        return bool(container.streams.audio)


def half_of(files: list[Path], half: str) -> list[Path]:
    """Every other file; the clip on which a guard was made is in the first half."""
    kept = [path for path in files if "kitteh" not in path.name]
    first = [path for path in files if "kitteh" in path.name]
    return [*first, *kept[::2]] if half == "dev" else kept[1::2]


def is_music(path: PurePosixPath) -> bool:
    """Whether a member of a package is music, or an effect."""
    return path.suffix == ".ogg"


def music_of(half: str) -> Iterator[tuple[str, Samples]]:
    """Pieces of music, in the order of their names; what cannot be decoded is named."""
    for archive in MUSIC[half]:
        folder = fetched(archive, is_music)
        for path in sorted(folder.rglob("*.ogg")):
            if path.stat().st_size <= LEAST_MUSIC_BYTES:
                continue
            try:
                yield path.name, sound_of(path)
            except av.error.InvalidDataError as error:
                print(f"left out: {path.name}: {error.strerror}", file=sys.stderr)


def filling(pieces: Iterator[tuple[str, Samples]], seconds: float) -> Iterator[tuple[str, Samples]]:
    """As many of the pieces as last so long; the last one is cut."""
    for name, samples in pieces:
        if seconds <= 0:
            return
        yield name, samples[: round(seconds * RATE)]
        seconds -= len(samples) / RATE


def made(seconds: float, seed: int) -> Iterator[tuple[str, Samples]]:
    """Sounds that a computer makes, equally long, together as long as that."""
    generator = np.random.default_rng(seed)
    kinds: dict[str, Callable[[int, np.random.Generator], Samples]] = {
        "silence": lambda samples, _: np.zeros(samples, np.int16),
        "white noise": lambda samples, random: coloured(samples, random, 0.0),
        "pink noise": lambda samples, random: coloured(samples, random, 0.5),
        "brown noise": lambda samples, random: coloured(samples, random, 1.0),
        "hum": hum,
        "clicks": clicks,
        "chords with a beat": music,
    }
    for name, make in kinds.items():
        yield name, make(round(seconds / len(kinds) * RATE), generator)


def coloured(samples: int, generator: np.random.Generator, slope: float) -> Samples:
    """Noise that comes and goes; its amplitude falls with frequency to the power ``slope``."""
    spectrum = np.fft.rfft(generator.standard_normal(samples))
    spectrum /= np.maximum(1, np.arange(len(spectrum))) ** slope
    sound = np.fft.irfft(spectrum, samples)
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(samples) / RATE / 7)
    return limited(3_000 * swell * sound / sound.std())


def hum(samples: int, generator: np.random.Generator) -> Samples:
    """50 Hz and its overtones, with a little noise."""
    times = np.arange(samples) / RATE
    tones = sum(np.sin(2 * np.pi * 50 * n * times) / n for n in range(1, 8))
    return limited(3_000 * tones + 200 * generator.standard_normal(samples))


def clicks(samples: int, generator: np.random.Generator) -> Samples:
    """Three short knocks a second, at random."""
    sound = np.zeros(samples)
    knock = 12_000 * np.exp(-np.arange(400) / 60) * generator.standard_normal(400)
    for start in generator.integers(0, max(1, samples - len(knock)), 3 * samples // RATE):
        sound[start : start + len(knock)] += knock
    return limited(sound)


def music(samples: int, generator: np.random.Generator) -> Samples:
    """A chord of plucked strings every half second, over a drum."""
    step = RATE // 2
    times = np.arange(step) / RATE
    parts = []
    for _ in range(-(-samples // step)):
        root = 110 * 2 ** (generator.integers(0, 24) / 12)
        chord = sum(np.sin(2 * np.pi * root * ratio * times) for ratio in (1, 1.25, 1.5, 2))
        drum = generator.standard_normal(step) * np.exp(-40 * times)
        parts.append(2_500 * chord * np.exp(-3 * times) + 6_000 * drum)
    return limited(np.concatenate(parts)[:samples])


def limited(sound: NDArray[np.float64]) -> Samples:
    """As 16 bits."""
    return sound.clip(-32_768, 32_767).astype(np.int16)


if __name__ == "__main__":
    sys.exit(main())
