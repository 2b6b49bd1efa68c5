"""Key frames of real MSR-VTT videos with captions: our own train and dev split, dev in nine languages.

Layout: ``videos.jsonl`` (a line a video: ``video``, ``split``, ``caption_en``, ``frames``, ..),
``frames-N.zip`` with up to four key frames a video, ``dev-captions.json`` with the dev captions in nine
languages.
"""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from polyreel.corpora.items import Corpus, Frames, Item, Missing, cleaned_captions, require_unique
from polyreel.errors import CorpusError

__all__ = ["read_msrvtt_dev"]


def read_msrvtt_dev(folder: Path) -> Corpus:
    """The 324 dev videos, each with one caption in each of nine languages.

    Raises:
        CorpusError: a file is missing or not as it should be.
    """
    source = folder / "dev-captions.json"
    try:
        rows: list[dict[str, Any]] = json.loads(source.read_text(encoding="utf-8"))
        frames = _frames(folder)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CorpusError(
            "the key frames or their captions cannot be read", item=folder, value=error
        ) from error
    items, missing = [], []
    for row in rows:
        if row["id"] not in frames:
            missing.append(Missing(row["id"], "no key frames"))
            continue
        captions = cleaned_captions({tag: [text] for tag, text in row["caption"].items()})
        items.append(Item(row["id"], Frames(folder, tuple(frames[row["id"]])), captions))
    return Corpus("msrvtt-dev-9", require_unique(items, source), tuple(missing))


def _frames(folder: Path) -> dict[str, list[str]]:
    """Video -> references of its key frames, in order."""
    frames: dict[str, list[str]] = defaultdict(list)
    for archive in sorted(folder.glob("frames-*.zip")):
        with zipfile.ZipFile(archive) as packed:
            for name in sorted(packed.namelist()):
                if not name.endswith("/"):
                    frames[name.split("/")[0]].append(f"{archive.name}!{name}")
    return frames
