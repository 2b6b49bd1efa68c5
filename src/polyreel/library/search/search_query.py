"""A search that has been checked and can be done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import UnknownNameError, UsageError, require_type
from polyreel.languages import UNKNOWN, normalise, parse_tag
from polyreel.library.line_kinds import LINE_KINDS, LineKind
from polyreel.library.results import MODES, Mode
from polyreel.library.search.filters import EVERYTHING, Filter
from polyreel.library.search.searched_vectors import Cosines, SearchedVectors, Vectors
from polyreel.query_languages import detect_query

__all__ = [
    "HYBRID",
    "VISUAL",
    "SearchQuery",
    "Vector",
    "compare",
    "example_file",
    "text_query",
    "vector_query",
]

Vector = NDArray[np.float32]
VISUAL, HYBRID = "visual", "hybrid"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A checked search. Made by ``text_query`` and ``vector_query``.

    Attributes:
        text: normalised; empty where there is only a vector.
        language: BCP-47 tag.
        top, mode, filters, per_video: as in ``Library.search``.
        vector: (dim,) of a picture, a clip or a text that was encoded before; None has ``text`` encoded.
        exclude_clip: ``clip_id`` of a clip that is not to be found.
        space: identity of the bundle that made ``vector``; empty if nobody says.
        exact: whether it is compared with every vector as it is, however many there are.
    """

    text: str
    language: str
    top: int
    mode: str
    filters: Filter
    vector: Vector | None = None
    exclude_clip: str | None = None
    space: str = ""
    per_video: int | None = None
    exact: bool = False

    @property
    def by_sight(self) -> bool:
        """Whether it looks at pictures."""
        return self.mode == HYBRID or VISUAL in self.mode.split(",")

    @property
    def lines(self) -> frozenset[LineKind]:
        """Kinds of lines that it looks at."""
        asked = LINE_KINDS if self.mode == HYBRID else self.mode.split(",")
        return frozenset(kind for kind in LINE_KINDS if kind in asked)


def compare(among: SearchedVectors, queries: Sequence[SearchQuery], vectors: Vectors) -> list[Cosines]:
    """Cosines of queries with vectors, those exact that ask for it.

    Args:
        among: what they are compared with.
        queries: the searches.
        vectors: (queries, dim) of them.
    """
    found: dict[int, Cosines] = {}
    for exact, of in ((False, among.cosines), (True, among.exact_cosines)):
        places = [place for place, query in enumerate(queries) if query.exact is exact]
        if places:
            found.update(zip(places, of(vectors[places]), strict=True))
    return [found[place] for place in range(len(queries))]


def example_file(path: str | os.PathLike[str]) -> Path:
    """The file of a picture or a clip to search with.

    Raises:
        UsageError: it is not a path, or no file is there.
    """
    require_type(path, (str, os.PathLike), "a picture or a clip to search with")
    file = Path(path)
    if not file.is_file():
        what = "not a regular file" if file.exists() else "no such file"
        raise UsageError(
            "a folder is not a picture or a clip" if file.is_dir() else what,
            item=file,
            remedy="Name a picture, or a short clip",
        )
    return file


def text_query(
    text: str,
    *,
    top: int = 10,
    mode: Mode = "hybrid",
    language: str = "auto",
    likely: Sequence[str] = (),
    filters: Filter = EVERYTHING,
    per_video: int | None = None,
    exact: bool = False,
) -> SearchQuery:
    """Check a search for a text.

    Args: those of ``Library.search``, as are the errors.
    """
    require_type(text, str, "a query")
    require_type(filters, Filter, "filters")
    _require_counts(top, per_video)
    require_type(language, str, "the language of a query")
    text = normalise(text)
    if language == "auto":
        language = detect_query(text, likely=likely).language
    tag = language if language == UNKNOWN else parse_tag(language)
    if tag is None:
        raise UsageError(
            "not a language tag", value=repr(language), remedy="Use a tag such as en, de or sw, or auto"
        )
    return SearchQuery(text, tag, top, _checked(mode), filters, per_video=per_video, exact=exact)


def vector_query(
    vector: Vector,
    *,
    top: int = 10,
    filters: Filter = EVERYTHING,
    exclude_clip: str | None = None,
    space: str = "",
    per_video: int | None = None,
    exact: bool = False,
) -> SearchQuery:
    """Check a search for what looks like a unit vector (dim,).

    Args: those of ``Library.search_vector``, and ``space``, the identity of the bundle that made the vector.

    Raises:
        UsageError: ``top`` or ``per_video`` is below 1.
    """
    _require_counts(top, per_video)
    return SearchQuery("", UNKNOWN, top, VISUAL, filters, vector, exclude_clip, space, per_video, exact)


def _checked(mode: str) -> str:
    """What to search, each once and in one order; "hybrid" for everything."""
    require_type(mode, str, "what to search in")
    asked = {name.strip() for name in mode.split(",")}
    for name in sorted(asked):
        if name not in MODES:
            raise UnknownNameError("search mode", name, MODES)
    kinds = [name for name in MODES if name in asked and name != HYBRID]
    return HYBRID if HYBRID in asked or len(kinds) == len(MODES) - 1 else ",".join(kinds)


def _require_counts(top: int, per_video: int | None) -> None:
    counts = {"the number of hits": top}
    if per_video is not None:
        counts["the number of hits of a video"] = per_video
    for what, number in counts.items():
        require_type(number, int, what)
        if number < 1:
            raise UsageError(f"{what} must be at least 1", value=number)
