"""The research data that benchmarks read: MSR-VTT key frames, Flickr8k and NTREX.

They lie in the folder that ``POLYREEL_DATA`` names (default ``../shared/data`` beside the repository) and are
not part of polyreel. What was chosen by looking at results was chosen on these, never on the demo clips.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from common import SKIPPED, work_dir
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES, clean
from polyreel.media.decode import Picture

CROP_PX, SHORT_SIDE_PX = 224, 256


def data_folder(name: str) -> Path:
    """A data set's folder; ends the benchmark with a message if it is not there."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("POLYREEL_DATA", default)) / name
    if not folder.is_dir():
        print(
            f"left out: {folder} is not there. Set POLYREEL_DATA to the folder that holds {name}.",
            file=sys.stderr,
        )
        raise SystemExit(SKIPPED)
    return folder


@dataclass(frozen=True, slots=True)
class Gallery:
    """Videos or photos with their captions.

    Attributes:
        name: of the data set and split.
        items: ids, in the order of the captions' truth.
        frames: id -> (archive, members): where its pictures are.
        captions: BCP-47 tag -> texts.
        truth: BCP-47 tag -> for each text the position of its item.
    """

    name: str
    items: tuple[str, ...]
    frames: Mapping[str, tuple[Path, tuple[str, ...]]]
    captions: Mapping[str, tuple[str, ...]]
    truth: Mapping[str, NDArray[np.int64]]


def msrvtt_dev() -> Gallery:
    """Our own dev split with captions in nine languages.

    The videos that were cut from the source of a test video are left out, as they are from training.
    """
    folder = data_folder("msrvtt-frames")
    wanted = {row["video"]: row for row in _msrvtt_rows(folder, "dev")}
    rows = json.loads((folder / "dev-captions.json").read_text(encoding="utf-8"))
    rows = [row for row in rows if row["id"] in wanted]
    own = np.arange(len(rows))
    return Gallery(
        "MSR-VTT dev",
        tuple(row["id"] for row in rows),
        _msrvtt_frames(folder, [wanted[row["id"]] for row in rows]),
        {tag: tuple(clean(row["caption"][tag]) for row in rows) for tag in STUDY_LANGUAGES},
        dict.fromkeys(STUDY_LANGUAGES, own),
    )


def msrvtt_train(count: int, seed: int) -> Gallery:
    """A random draw of training videos with their one English caption."""
    folder = data_folder("msrvtt-frames")
    rows = _msrvtt_rows(folder, "train")
    drawn = np.random.default_rng(seed).choice(len(rows), min(count, len(rows)), replace=False)
    rows = [rows[place] for place in sorted(drawn)]
    return Gallery(
        "MSR-VTT train",
        tuple(row["video"] for row in rows),
        _msrvtt_frames(folder, rows),
        {"en": tuple(clean(row["caption_en"]) for row in rows)},
        {"en": np.arange(len(rows))},
    )


def _msrvtt_rows(folder: Path, split: str) -> list[dict[str, Any]]:
    lines = (folder / "videos.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["split"] == split]
    return [row for row in rows if not row["same_source_as_test"]]


def _msrvtt_frames(
    folder: Path, rows: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[Path, tuple[str, ...]]]:
    members: dict[str, tuple[Path, list[str]]] = {}
    for archive in sorted(folder.glob("frames-*.zip")):
        with zipfile.ZipFile(archive) as opened:
            for name in sorted(opened.namelist()):
                if name.endswith(".jpg"):
                    members.setdefault(name.split("/")[0], (archive, []))[1].append(name)
    return {row["video"]: (members[row["video"]][0], tuple(members[row["video"]][1])) for row in rows}


def flickr8k() -> Gallery:
    """1,000 photos: five English captions each, and one German, French and Czech for most."""
    folder = data_folder("flickr8k-1000")
    lines = (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    translated = [place for place, row in enumerate(rows) if row.get("multi30k")]
    captions = {"en": tuple(clean(text) for row in rows for text in row["captions_en"])}
    truth = {"en": np.repeat(np.arange(len(rows)), [len(row["captions_en"]) for row in rows])}
    for tag in ("de", "fr", "cs"):
        captions[tag] = tuple(clean(rows[place]["multi30k"][tag]) for place in translated)
        truth[tag] = np.array(translated)
    archive = folder / "images.zip"
    with zipfile.ZipFile(archive) as opened:
        member_of = {Path(name).name: name for name in opened.namelist()}
    frames = {row["image"]: (archive, (member_of[row["image"]],)) for row in rows}
    return Gallery("Flickr8k", tuple(row["image"] for row in rows), frames, captions, truth)


def ntrex() -> dict[str, list[str]]:
    """1,000 news sentences in each of nine languages, row by row translations of each other."""
    folder = data_folder("ntrex")
    return {
        tag: [
            clean(line)
            for line in gzip.decompress((folder / f"ntrex.dev.{tag}.txt.gz").read_bytes())
            .decode()
            .splitlines()
        ]
        for tag in STUDY_LANGUAGES
    }


def frame_features(gallery: Gallery, bundle: Bundle, *, crop: bool = False) -> list[NDArray[np.float32]]:
    """Features of each item's pictures, (pictures, features) each, by the bundle's own image network.

    The first call computes them, later ones read them from the benchmarks' cache.

    Args:
        gallery: whose pictures.
        bundle: whose image network.
        crop: take the central square of a picture instead of stretching all of it.
    """
    shape = "crop" if crop else "stretch"
    cached = work_dir() / f"features-{bundle.card.files['frames.onnx'][:8]}-{shape}.npz"
    known = dict(np.load(cached, allow_pickle=False)) if cached.is_file() else {}
    missing = {item: gallery.frames[item] for item in gallery.items if item not in known}
    if missing:
        known |= _computed(missing, bundle, crop)
        scratch = cached.with_suffix(".part.npz")
        np.savez(scratch, **known)
        scratch.replace(cached)
    return [known[item].astype(np.float32) for item in gallery.items]


def text_vectors(texts: Sequence[str], bundle: Bundle) -> NDArray[np.float32]:
    """What the bundle makes of texts, (texts, dim); kept in the benchmarks' cache, as features are."""
    digest = hashlib.sha256("\0".join([bundle.card.identity, *texts]).encode()).hexdigest()[:16]
    cached = work_dir() / f"texts-{digest}.npy"
    if not cached.is_file():
        scratch = cached.with_suffix(".part.npy")
        np.save(scratch, bundle.encode_text(list(texts)), allow_pickle=False)
        scratch.replace(cached)
    vectors: NDArray[np.float32] = np.load(cached, allow_pickle=False)
    return vectors


def _computed(
    frames: Mapping[str, tuple[Path, Sequence[str]]], bundle: Bundle, crop: bool
) -> dict[str, NDArray[np.float32]]:
    features: dict[str, list[NDArray[np.float32]]] = {item: [] for item in frames}
    pictures = _pictures(frames, crop)
    while batch := list(islice(pictures, 64)):
        rows = bundle.encode_frames(np.stack([image for _, image in batch]))
        for (item, _), row in zip(batch, rows, strict=True):
            features[item].append(row)
    return {item: np.stack(rows) for item, rows in features.items()}


def _pictures(
    frames: Mapping[str, tuple[Path, Sequence[str]]], crop: bool
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for archive in sorted({archive for archive, _ in frames.values()}):
        with zipfile.ZipFile(archive) as opened:
            for item, (home, members) in frames.items():
                for member in members if home == archive else ():
                    yield item, picture(opened.read(member), crop=crop)


def picture(jpeg: bytes, *, crop: bool) -> NDArray[np.uint8]:
    """A JPEG at the image network's size, stretched as polyreel does it or cropped as ImageNet does."""
    with av.open(io.BytesIO(jpeg)) as container:
        decoded = Picture(0.0, next(container.decode(video=0)))
    if not crop:
        return decoded.image((CROP_PX, CROP_PX))
    scale = SHORT_SIDE_PX / min(decoded.display_size)
    width, height = (round(side * scale) for side in decoded.display_size)
    left, top = (width - CROP_PX) // 2, (height - CROP_PX) // 2
    return decoded.image((width, height))[top : top + CROP_PX, left : left + CROP_PX]
