"""Captions of a video dataset in further languages: ``captions.<lang>.json``, ``.jsonl`` or ``.txt``.

- ``.json``: ``{"video7020": ["ein Satz", ..], ..}``, also with a bare string for a single caption;
- ``.jsonl``: ``{"video_id": "video7020", "caption": "ein Satz" or ["ein Satz", ..]}`` a line;
- ``.txt``: ``video7020<TAB>ein Satz`` a line; a video may have many lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from polyreel.datasets.reading import read_lines
from polyreel.datasets.strict_json import parse, parse_lines
from polyreel.errors import DatasetError
from polyreel.languages import clean, parse_tag

__all__ = ["Translation", "read_translations"]


class _Line(BaseModel):
    video_id: str
    caption: str | list[str]


_BY_VIDEO = TypeAdapter(dict[str, str | list[str]])
_LINE = TypeAdapter(_Line)


@dataclass(frozen=True, slots=True)
class Translation:
    """Captions in one language.

    Attributes:
        path: the file.
        tag: its language.
        captions: video -> captions in the file's order.
    """

    path: Path
    tag: str
    captions: Mapping[str, Sequence[str]]

    def of_query(self, video: str, query: str, english: Sequence[str]) -> Sequence[str]:
        """The caption that translates ``query``, one of the ``english`` sentences of ``video``; or none.

        Args:
            video: its id.
            query: the English sentence.
            english: all English sentences of the video, in the order of the annotations.

        Raises:
            DatasetError: it cannot be told which one does.
        """
        texts = self.captions.get(video, ())
        if len(texts) <= 1:
            return texts
        same = [clean(sentence).casefold() == clean(query).casefold() for sentence in english]
        if len(texts) != len(english) or True not in same:
            raise DatasetError(
                "it cannot be told which caption translates the query",
                item=f"{self.path}: {video}",
                value=f"{len(texts)} captions of {query!r}",
                remedy="Give one caption a video, or one for each English sentence in their order",
            )
        return [texts[same.index(True)]]


def read_translations(folder: Path, known: Collection[str]) -> list[Translation]:
    """All files of that name in ``folder``.

    Raises:
        DatasetError: a file names no language but English, is the second of its language, cannot be read, or
            has captions of videos that are not ``known``.
    """
    found: dict[str, Translation] = {}
    for path in sorted(folder.glob("captions.*.*")):
        tag, kind = parse_tag(path.name.split(".")[1]), path.suffix.lower()
        if tag is None or tag == "en" or tag in found or kind not in _PAIRS:
            raise DatasetError(
                "a file of captions with an unknown, English or repeated language, or of another format",
                item=path,
                remedy="Name one file a language captions.<language>.json, .jsonl or .txt",
            )
        captions: dict[str, list[str]] = defaultdict(list)
        for video, texts in _PAIRS[kind](path):
            captions[video] += [texts] if isinstance(texts, str) else texts
        if unknown := sorted(captions.keys() - set(known)):
            raise DatasetError(
                "captions of videos that are not known", item=path, value=", ".join(unknown[:5])
            )
        found[tag] = Translation(path, tag, dict(captions))
    return list(found.values())


def _tabbed(path: Path) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(read_lines(path), 1):
        video, tab, text = line.partition("\t")
        if line.strip() and not tab:
            raise DatasetError(
                "a line has no tab between video and caption", item=f"{path}, line {number}", value=line[:40]
            )
        if tab:
            yield video.strip(), text


_PAIRS = {
    ".json": lambda path: parse(path, _BY_VIDEO).items(),
    ".jsonl": lambda path: ((line.video_id, line.caption) for line in parse_lines(path, _LINE)),
    ".txt": _tabbed,
}
