"""Films of plain colours, libraries of them, and a look at everything that a library holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import videos
from polyreel.encoders.runtime import Bundle
from polyreel.library.index.indexing import IndexReport, index
from polyreel.library.search.search import Library
from polyreel.library.store.store import Commit, open_snapshot
from polyreel.library.store.tables import CLIPS, FILES, SUBTITLES
from tiny_bundle import PALETTE

Line = tuple[float, float, str]


def film(path: Path, *colours: str, each_s: float = 2.0) -> Path:
    """A video that shows each colour for ``each_s`` seconds; a change of colour begins a new clip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [((place + 1) * each_s, videos.solid(PALETTE[colour])) for place, colour in enumerate(colours)]
    picture = videos.scenes(*parts)
    return videos.write_video(path, seconds=each_s * len(colours), fps=5, size=(64, 48), picture=picture)


def slow_fade(path: Path, *, seconds: float) -> Path:
    """A video each of whose pictures differs from the one before by less than noise: some share features."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return videos.write_video(
        path,
        seconds=seconds,
        fps=5,
        size=(64, 48),
        picture=lambda time_s: videos.solid((255, int(100 + time_s), 0))(time_s),
    )


def videos_at_random(first: int, count: int, dim: int, *, clips_each: int = 10, alike: int = 0) -> Commit:
    """Videos that no file holds, in 20 folders, with unit vectors at random.

    Args:
        first: number of the first one, which also seeds the vectors.
        count: how many.
        dim: of a vector.
        clips_each: clips of each, ten seconds long.
        alike: how many of the first clips have the same vector.
    """
    names = [f"{number:032x}" for number in range(first, first + count)]
    facts = dict.fromkeys(("sidecars", "message", "health", "indexed_at"), "")
    vectors = np.random.default_rng(first).standard_normal((count * clips_each, dim)).astype(np.float32)
    vectors[:alike] = vectors[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    clips = [
        {
            "clip_id": f"{name}@{place:010d}",
            "video": name,
            "start_s": 10.0 * place,
            "end_s": 10.0 * place + 10,
            "thumbnail": "",
        }
        for name in names
        for place in range(clips_each)
    ]
    files = [
        {
            "path": f"/videos/{number % 20:02d}/{name}.mp4",
            "video": name,
            "size_bytes": 1,
            "mtime_ns": 1,
            "status": "ok",
            **facts,
        }
        for number, name in enumerate(names, start=first)
    ]
    ids = [{"id": clip["clip_id"], "video": clip["video"], "kind": "clip"} for clip in clips]
    return Commit(files=files, clips=clips, embeddings=ids, vectors=list(vectors))


def subtitles(path: Path, *lines: Line) -> Path:
    """An .srt file."""
    blocks = [
        f"{number}\n{_stamp(start_s)} --> {_stamp(end_s)}\n{text}\n"
        for number, (start_s, end_s, text) in enumerate(lines, start=1)
    ]
    path.write_text("\n".join(blocks), encoding="utf-8")
    return path


def _stamp(seconds: float) -> str:
    minutes, rest_s = divmod(seconds, 60)
    return f"{int(minutes // 60):02}:{int(minutes % 60):02}:{rest_s:06.3f}".replace(".", ",")


def index_films(paths: Path | Iterable[Path], library: Path, bundle: Bundle, **options: Any) -> IndexReport:
    """Index with one worker and the bundle's folder as its location."""
    roots = [paths] if isinstance(paths, Path) else list(paths)
    return index(roots, library, bundle, **{"location": str(bundle.folder), "workers": 1, **options})


def open_library(library: Path) -> Library:
    """The library with the bundle at the location that it states."""
    return Library(library, lambda location: Bundle(Path(location)))


@dataclass(frozen=True, slots=True)
class Held:
    """What a library holds of one path."""

    status: str
    clips: tuple[tuple[float, float], ...]
    subtitles: tuple[str, ...]


def holdings(library: Path) -> dict[str, Held]:
    """Everything in the library, by path, after a check that nothing in it is doubled, lost or left over."""
    snapshot = open_snapshot(library)
    files = snapshot.read(FILES).to_pylist()
    clips = snapshot.read(CLIPS).to_pylist()
    lines = snapshot.read(SUBTITLES).to_pylist()
    vectors = snapshot.read(snapshot.embeddings, ["id", "video", "kind"]).to_pylist()
    for what, keys in (
        ("path", [row["path"] for row in files]),
        ("clip", [row["clip_id"] for row in clips]),
        ("subtitle", [row["subtitle_id"] for row in lines]),
        ("vector", [row["id"] for row in vectors]),
    ):
        doubled = [key for key, count in Counter(keys).items() if count > 1]
        assert not doubled, f"doubled {what}: {doubled}"
    owned = {(row["clip_id"], row["video"], "clip") for row in clips}
    owned |= {(row["subtitle_id"], row["video"], "subtitle") for row in lines}
    assert {(row["id"], row["video"], row["kind"]) for row in vectors} == owned
    kept = {row["video"] for row in files}
    for row in clips:
        assert row["video"] not in kept or (library / row["thumbnail"]).is_file(), row
    return {
        row["path"]: Held(
            row["status"],
            tuple(sorted(_span(clip) for clip in clips if clip["video"] == row["video"])),
            tuple(line["text"] for line in lines if line["video"] == row["video"]),
        )
        for row in files
    }


def _span(clip: dict[str, Any]) -> tuple[float, float]:
    return round(clip["start_s"], 6), round(clip["end_s"], 6)


def orphans(library: Path) -> set[str]:
    """Videos that rows or thumbnails are left of although no path has them."""
    snapshot = open_snapshot(library)
    held = {video for name in (CLIPS, SUBTITLES) for video in snapshot.read(name)["video"].to_pylist()}
    held |= {folder.name for folder in (library / "thumbs").glob("*/*")}
    return held - set(snapshot.read(FILES)["video"].to_pylist())
