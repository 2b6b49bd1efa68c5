"""Every way of search against a few lines of numpy in float64: filters, equal vectors, several libraries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from polyreel.encoders.runtime import Bundle
from polyreel.library.search import searched_vectors as searched
from polyreel.library.search.filters import Filter
from polyreel.library.search.joined_library import open_joined
from polyreel.library.search.quantised import can_scan
from polyreel.library.search.search import Library
from polyreel.library.store.state import generation_of
from polyreel.library.store.store import Commit, writing

VIDEOS, CLIPS, TOP = 1_000, 2, 60
DAY_NS = 86_400 * 10**9
EPOCH = date(1970, 1, 1)
FACTS = dict.fromkeys(("sidecars", "message", "health", "indexed_at"), "")
FILTERS = {
    "all": Filter(),
    "one in 10": Filter(folder="tenth/3"),
    "one in 1,000": Filter(folder="rare"),
    "one in 300": Filter(subtitles="sw"),
    "some days": Filter(after=EPOCH + timedelta(days=2), before=EPOCH + timedelta(days=4)),
    "both": Filter(folder="tenth/3", after=EPOCH + timedelta(days=2), before=EPOCH + timedelta(days=19)),
    "short": Filter(max_duration_s=60),
}


class Facts:
    """What is known of each video without the library: path, day and languages of its lines."""

    def __init__(self, number: int) -> None:
        self.video = f"{number:032x}"
        self.folder = "rare" if number % 1000 == 7 else f"tenth/{number % 10}"
        self.day = number % 30
        self.languages = {"sw" if number % 300 == 0 else "en"} if number % 3 == 0 else set()

    def pass_(self, asked: Filter) -> bool:
        day = EPOCH + timedelta(days=self.day)
        return (
            (not asked.folder or self.folder == asked.folder)
            and (not asked.subtitles or asked.subtitles in self.languages)
            and (not asked.after or day >= asked.after)
            and (not asked.before or day <= asked.before)
            and asked.max_duration_s is None  # all are longer
        )


def write(folder: Path, bundle: Bundle, numbers: Sequence[int], seed: int) -> None:
    """Videos of clips far apart, so that each is a moment; every tenth has the one vector that is theirs."""
    files, clips, lines, ids, vectors = [], [], [], [], []
    alike = np.random.default_rng(seed).standard_normal(bundle.card.dim)
    for number in numbers:
        rng, facts = np.random.default_rng([seed, number]), Facts(number)
        video = facts.video
        path = f"/videos/{facts.folder}/{video}.mp4"
        own = {"video": video, "size_bytes": 1, "mtime_ns": facts.day * DAY_NS + number, "status": "ok"}
        files.append({"path": path, **own, **FACTS})
        for place in range(CLIPS):
            clip = {"clip_id": f"{video}@{place * 100_000:010d}", "video": video, "thumbnail": ""}
            clips.append({**clip, "start_s": 100.0 * place, "end_s": 100.0 * place + 10})
            ids.append({"id": clip["clip_id"], "video": video, "kind": "clip"})
            vectors.append(alike if rng.random() < 0.1 else rng.standard_normal(bundle.card.dim))
        for tag in facts.languages:
            line = {"subtitle_id": f"{video}#0.000000", "video": video, "start_s": 1.0, "end_s": 2.0}
            lines.append({**line, "text": "dog", "language": tag, "source": "speech"})
            ids.append({"id": line["subtitle_id"], "video": video, "kind": "subtitle"})
            vectors.append(rng.standard_normal(bundle.card.dim))
    rows = np.array(vectors)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    with writing(folder, generation_of(bundle.card, str(bundle.folder))) as writer:
        writer.commit(Commit(files=files, clips=clips, subtitles=lines, embeddings=ids, vectors=list(rows)))


@pytest.fixture(scope="module", params=[1, 3], ids=["one library", "three libraries"])
def folders(request, tmp_path_factory, tiny_bundle):
    part_of = np.random.default_rng(1).integers(request.param, size=VIDEOS)
    made = [tmp_path_factory.mktemp("reference") / f"{part}" for part in range(request.param)]
    for part, folder in enumerate(made):
        write(folder, tiny_bundle, np.flatnonzero(part_of == part).tolist(), seed=2)
    return made


@pytest.mark.parametrize("way", ["exact", "quantised"])
@pytest.mark.parametrize("exact", [False, True])
def test_hits_are_those_of_a_reference_in_float64(folders, monkeypatch, way, exact):
    if way == "quantised":
        if not can_scan():
            pytest.skip("numkong is not installed")
        monkeypatch.setattr(searched, "EXACT_BYTES", 0)

    def load(location: str) -> Bundle:
        return Bundle(Path(location))

    with Library(folders[0], load) if len(folders) == 1 else open_joined(folders, load) as library:
        index = library.snapshot.index
        vectors = np.asarray(index.clip_vectors[np.arange(len(index.clips))], np.float64)
        names = index.clips["clip_id"].to_pylist()
        videos = [Facts(int(name.partition("@")[0], 16)) for name in names]
        asked = np.random.default_rng(3).standard_normal((2, vectors.shape[1]))
        asked = [vectors[0], *(asked / np.linalg.norm(asked, axis=1, keepdims=True))]
        for query in np.array(asked, np.float32):
            cosines = vectors @ query.astype(np.float64)
            for filters in FILTERS.values():
                passing = np.flatnonzero([video.pass_(filters) for video in videos])
                right = np.sort(cosines[passing])[::-1][:TOP]
                found = library.search_vector(query, top=TOP, filters=filters, exact=exact).hits
                rows = [names.index(hit.clip_id) for hit in found]
                assert len(set(rows)) == len(right)
                assert set(rows) <= set(passing.tolist())
                scores = np.array([hit.score for hit in found])
                np.testing.assert_allclose(scores, cosines[rows], atol=2e-6)
                np.testing.assert_allclose(scores, right, atol=2e-6)
                # Of equal score, in their order.
                assert sorted(zip(-scores, rows, strict=True)) == list(zip(-scores, rows, strict=True))
