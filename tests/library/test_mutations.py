"""Harmed copies of videos and subtitles: each is read or said to be wrong, and harms nothing beside it.

Copies are harmed at random when the test runs, from a seed, so that no harmed file lies in the repository;
decoders read them in their limited workers, as in any run. ``POLYREEL_MUTATION_SEED`` draws others.
"""

from __future__ import annotations

import os
import random
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import videos
from films import Held, holdings, index_films
from polyreel.library.store.doctor import examine
from tiny_bundle import PALETTE

CONTAINERS = ("mp4", "mkv", "mov", "avi", "webm", "ts")
TEXTS = ("srt", "vtt", "ass")
# A transport stream states no length: one that lost its end is a shorter one.
STATE_THEIR_LENGTH = frozenset({"mp4", "mkv", "mov", "avi", "webm"})
# By so much containers state too long a length without being harmed; sound goes on, say.
SLACK_S = 1.5
SECONDS = 8

Mutation = Callable[[bytearray, random.Random], None]


def cut_off(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def cut_out(data: bytearray, chance: random.Random) -> None:
    start, length = span(data, chance)
    del data[start : start + length]


def wiped(data: bytearray, chance: random.Random) -> None:
    start, length = span(data, chance)
    data[start : start + length] = bytes(len(data[start : start + length]))


def flipped(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 8, 64])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def flipped_in_the_head(data: bytearray, chance: random.Random) -> None:
    for _ in range(8):
        data[chance.randrange(min(512, len(data)))] = chance.randrange(256)


def scrambled(data: bytearray, chance: random.Random) -> None:
    start, length = span(data, chance)
    data[start : start + length] = chance.randbytes(len(data[start : start + length]))


def doubled(data: bytearray, chance: random.Random) -> None:
    start, length = span(data, chance)
    data[start:start] = data[start : start + length]


def exchanged(data: bytearray, chance: random.Random) -> None:
    middle = chance.randrange(len(data))
    data[:] = data[middle:] + data[:middle]


MUTATIONS: tuple[Mutation, ...] = (
    cut_off,
    cut_out,
    wiped,
    flipped,
    flipped_in_the_head,
    scrambled,
    doubled,
    exchanged,
)


def span(data: bytearray, chance: random.Random) -> tuple[int, int]:
    """Where a harmed part begins, and how long it is: some bytes, or up to a quarter of all."""
    return chance.randrange(len(data)), chance.choice([1, 16, 256, 1 + len(data) // 4])


@dataclass(frozen=True, slots=True)
class Harmed:
    """A harmed copy, and what its original is like in a library."""

    path: Path
    mutation: str
    original: Path


def make_originals(folder: Path) -> list[Path]:
    """Two scenes with sound in each container, and subtitles in each format beside some of them."""
    folder.mkdir(parents=True)
    made = []
    for number, suffix in enumerate(CONTAINERS):
        first, second = list(PALETTE)[number % len(PALETTE)], list(PALETTE)[(number + 1) % len(PALETTE)]
        picture = videos.scenes((3.0, videos.solid(PALETTE[first])), (SECONDS, videos.solid(PALETTE[second])))
        codec = "libvpx" if suffix == "webm" else "libx264"
        path = folder / f"healthy {number}.{suffix}"
        made.append(
            videos.write_video(path, seconds=SECONDS, fps=5, size=(64, 48), picture=picture, codec=codec)
        )
    for number, suffix in enumerate(TEXTS):
        made[number].with_suffix(f".en.{suffix}").write_text(TEXT_OF[suffix], encoding="utf-8")
    return made


LINES = [(0.5 * at, 0.5 * at + 0.4, f"line {at}: the dog runs, čtyři, собака") for at in range(8)]


def _srt() -> str:
    return "\n".join(
        f"{at + 1}\n00:00:{a:06.3f} --> 00:00:{b:06.3f}\n{text}\n".replace(".", ",", 2)
        for at, (a, b, text) in enumerate(LINES)
    )


def _vtt() -> str:
    return "WEBVTT\n\n" + "\n".join(f"00:{a:06.3f} --> 00:{b:06.3f}\n{text}\n" for a, b, text in LINES)


def _ass() -> str:
    head = "[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Text\n"
    return head + "".join(
        f"Dialogue: 0,0:00:{a:05.2f},0:00:{b:05.2f},Default,{text}\n" for a, b, text in LINES
    )


TEXT_OF = {"srt": _srt(), "vtt": _vtt(), "ass": _ass()}


def harm(original: bytes, chance: random.Random) -> tuple[str, bytes]:
    """One to three mutations in turn, until something has changed."""
    while True:
        data, names = bytearray(original), []
        for mutation in chance.choices(MUTATIONS, k=chance.choice([1, 1, 2, 3])):
            if data:
                mutation(data, chance)
                names.append(mutation.__name__)
        if bytes(data) != original:
            return ", ".join(names), bytes(data)


def make_harmed(folder: Path, originals: list[Path], count: int, chance: random.Random) -> list[Harmed]:
    """``count`` harmed files: two of three are videos, the others subtitles beside a healthy video."""
    folder.mkdir()
    made = []
    for number in range(count):
        original = chance.choice(originals)
        if number % 3 < 2:
            path, source = folder / f"harmed {number:03d}{original.suffix}", original.read_bytes()
        else:
            original = originals[CONTAINERS.index("mp4")]
            film = folder / f"spoken {number:03d}.mp4"
            # Each of a content of its own, by a box that players pass over: copies share their subtitles.
            film.write_bytes(original.read_bytes() + struct.pack(">I4sI", 12, b"free", number))
            suffix = chance.choice(TEXTS)
            path, source = film.with_suffix(f".en.{suffix}"), TEXT_OF[suffix].encode()
        mutation, data = harm(source, chance)
        path.write_bytes(data)
        made.append(Harmed(path, mutation, original))
    return made


def lost_in_silence(
    harmed: Harmed, held: dict[str, Held], said: dict[str, str], alone: dict[str, Held]
) -> str:
    """What the library lacks of a harmed file without a word; empty if nothing."""
    is_video = harmed.path.suffix[1:] in CONTAINERS
    film = harmed.path if is_video else harmed.path.with_name(f"{harmed.path.name.split('.')[0]}.mp4")
    whole, found = alone[str(harmed.original)], held.get(str(film))
    if is_video and str(film) in said:
        return ""
    if found is None or found.status != "ok":
        return "the video is not there, and nothing is said"
    if is_video:
        if harmed.path.suffix[1:] not in STATE_THEIR_LENGTH:
            return ""
        ends = [clips[-1][1] if clips else 0.0 for clips in (whole.clips, found.clips)]
        return "" if ends[0] - ends[1] <= SLACK_S else f"{ends[1]:.1f} of {ends[0]:.1f} s"
    has_words = re.search(rb"\w", harmed.path.read_bytes()) is not None
    return "" if found.subtitles or not has_words or str(film) in said else "no line, and nothing is said"


@pytest.mark.parametrize(
    "count", [45, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])]
)
def test_harmed_files_are_read_or_named_and_harm_nothing_beside_them(tmp_path, tiny_bundle, count):
    seed = os.environ.get("POLYREEL_MUTATION_SEED", "0")
    chance = random.Random(f"{seed} {count}")
    originals = make_originals(tmp_path / "videos" / "healthy")
    index_films(tmp_path / "videos", tmp_path / "alone", tiny_bundle)
    alone = holdings(tmp_path / "alone")
    assert all(held.status == "ok" for held in alone.values())
    made = make_harmed(tmp_path / "videos" / "harmed", originals, count, chance)

    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle, workers=2)
    held, health = holdings(tmp_path / "library"), examine(tmp_path / "library")
    said = {problem.path: problem.message for problem in (*health.failed, *health.half_read, *health.remarks)}
    silent = [
        f"{harmed.path.name} ({harmed.mutation}): {lost}"
        for harmed in made
        if (lost := lost_in_silence(harmed, held, said, alone))
    ]
    gone = [str(path) for path in originals if held.get(str(path)) != alone[str(path)]]
    unfit = [text for text in said.values() if "Traceback" in text or re.search(r"\b\w+Error\b", text)]
    print(
        f"seed {seed}: {count} harmed files, {len(health.failed)} left out, "
        f"{len(health.remarks)} read in part; {len(silent)} unreported, {len(gone)} healthy lost, "
        f"{len(unfit)} messages of a traceback"
    )
    assert silent == []
    assert gone == []
    assert unfit == []
