"""How much does a match mean? What unrelated queries reach in the same library says so.

Cosines of a query and its best clip grow with the library. So background queries in nine languages are asked
of it, and what each of them reaches at best, by sight and in lines, is the scale of all other queries. It is
one scale: a query means the same whichever language it is taken for, and "chat" may be two. Of the maxima
Gumbel's distribution is fitted by moments, the limit of maxima of whatever has a light tail.

Some queries are near to everything, sentences more than words, and in some languages more than in others. So
lines have a second scale, on which a cosine counts in standard deviations from the mean of what its query has
with all of them, as scores of speakers do against a cohort (T-norm, Auckenthaler et al. 2000). Mean and
deviation follow from the mean and the covariance of the lines. Pictures have none: whether a query is near to
pictures at all is what tells it from one that lines answer.

What stands out among few lines, or among lines that have nothing to do with the query, need not say the same.
So lines have a third scale, which is the bundle's alone: from what unrelated texts have to what a text has
with itself.

For words the background is the library's own lines: how many letters of a line stand in another one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyreel.encoders.card import EncoderCard
from polyreel.encoders.text_roles import against_lines
from polyreel.files import open_regular, write_atomically
from polyreel.library.results import FAIR
from polyreel.library.search.asked_words import AskedWords
from polyreel.library.search.background import Background, background_queries
from polyreel.library.search.evidence import LINES, PICTURES, WORDS, weight_of
from polyreel.library.search.search_index import SearchIndex
from polyreel.library.search.searched_vectors import Cosines, SearchedVectors
from polyreel.library.store.words import indexed_words

__all__ = [
    "Calibration",
    "Closeness",
    "Scale",
    "calibrate",
    "calibration_file",
    "closeness_between",
    "provisional",
    "provisional_closeness",
    "provisional_of_words",
    "read_calibration",
    "scale_of",
]

_ROWS_AT_ONCE = 8_192
# Products of queries and clips that one calibration may cost for each language; beyond 250,000 clips fewer
# queries are asked, never under the smaller number.
_PRODUCTS, _FEWEST = 50_000_000, 50
_SAMPLED_ROWS, _SAMPLED_LINES, _OTHER_LINES = 20_000, 200, 20
# From so many different rows on their mean and covariance say more than nothing: of news sentences in
# libraries of 5, 12, 25 and 40 lines, the log loss of what is told with them is a quarter of that without.
_FEWEST_ROWS = 5
# Cosines that differ by less differ by rounding.
_EQUAL = 1e-4
# Of the best cosines of background queries: 0.04 to 0.05 for the default bundle, whatever the library.
_USUAL_SPREAD = 0.05
# Of the letters of a line that the best of 2,309 others has, in XNLI's English ones.
_USUAL_SHARE, _USUAL_SPREAD_OF_SHARES = 0.38, 0.14
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scale:
    """What background queries reach at best in a matrix of unit vectors.

    Attributes:
        mean: (dim,) of its rows; 0 if they are too few, or too much alike, for that to mean anything.
        covariance: (dim, dim) of its rows; likewise.
        bare: location and spread of Gumbel's distribution of the best cosine.
        own: the same in standard deviations of each query.
    """

    mean: Vectors
    covariance: Vectors
    bare: tuple[float, float]
    own: tuple[float, float]

    def deviations(self, cosines: Vectors) -> Vectors:
        """How far cosines, of any shape, lie beyond the location, in units of the spread."""
        return _beyond(cosines, self.bare)

    def own_deviations(self, vectors: Vectors, cosines: Vectors) -> Vectors:
        """The same by what each query has with all rows; NaN where these are too few, or too much alike.

        Args:
            vectors: (queries, dim), or (dim,) of one query.
            cosines: (queries,) one of each, or any number of the one query.
        """
        if not self.covariance.trace():
            return np.full(cosines.shape, np.nan, np.float32)
        return _beyond(_standardised(cosines, vectors, self.mean, self.covariance), self.own)


@dataclass(frozen=True, slots=True)
class Closeness:
    """How close texts are to each other, whatever library they are in.

    Attributes:
        unrelated: mean cosine of two background queries, one as a query and one as a line.
        same: of each with itself.
    """

    unrelated: float
    same: float

    def of(self, cosines: Vectors) -> Vectors:
        """0 for as close as unrelated texts are, 1 for the same text; any shape."""
        return np.asarray((cosines - self.unrelated) / max(self.same - self.unrelated, _EQUAL), np.float32)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What background queries reach in one commit of a library.

    Attributes:
        clips, lines: scales of pictures and of lines; None where there are none, or none that tell queries
            apart.
        texts: how close a query is to a line, by the bundle alone.
        words: (lines,) share of the letters of each line that another line has, ascending; empty where there
            are too few different lines.
        false_alarms: share of background queries whose best clip, and whose best line, passes for a match.
    """

    clips: Scale | None
    lines: Scale | None
    texts: Closeness
    words: NDArray[np.float64]
    false_alarms: tuple[float, float]

    def deviations_of_words(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far shares of letters lie beyond the background, on the scale of Gumbel's distribution."""
        if not len(self.words):
            return np.full(shares.shape, -np.inf)
        below = (np.searchsorted(self.words, shares) + 0.5) / (len(self.words) + 1.0)
        return np.asarray(-np.log(-np.log(below)))

    def write(self, path: Path) -> None:
        """Keep it in a file that ``read_calibration`` reads."""
        arrays: dict[str, NDArray[np.generic]] = {
            "words": self.words,
            "false_alarms": np.array(self.false_alarms),
            "texts": np.array([self.texts.unrelated, self.texts.same]),
        }
        for name, scale in (("clips", self.clips), ("lines", self.lines)):
            if scale is not None:
                arrays[f"{name}.mean"], arrays[f"{name}.covariance"] = scale.mean, scale.covariance
                arrays[f"{name}.gumbel"] = np.array([*scale.bare, *scale.own])
        data = io.BytesIO()
        np.savez(data, **arrays)  # type: ignore[arg-type]
        write_atomically(path, data.getvalue())


def calibration_file(folder: Path) -> Path:
    """Where the calibration of what is laid out in ``folder`` is kept; by curves and queries, too."""
    curves = hashlib.sha256(repr((PICTURES, LINES, WORDS, FAIR, _FEWEST_ROWS)).encode()).hexdigest()[:8]
    return folder / f"calibration-{background_queries()[1]}-{curves}.npz"


def read_calibration(path: Path, dim: int) -> Calibration | None:
    """A calibration that was kept; None if it is not there, damaged or of another width.

    Args:
        path: the file.
        dim: width of the vectors.
    """
    with (
        contextlib.suppress(*_UNREADABLE),
        open_regular(path) as file,
        np.load(file, allow_pickle=False) as kept,
    ):
        scales = [_read_scale(kept, name, dim) for name in ("clips", "lines")]
        words, pairs = kept["words"], [kept[name] for name in ("texts", "false_alarms")]
        if words.ndim == 1 and words.dtype == np.float64 and all(map(_is_pair, pairs)):
            texts, alarms = (each.tolist() for each in pairs)
            return Calibration(scales[0], scales[1], Closeness(*texts), words, (alarms[0], alarms[1]))
    return None


def _is_pair(numbers: NDArray[np.generic]) -> bool:
    return numbers.shape == (2,) and numbers.dtype == np.float64 and bool(np.isfinite(numbers).all())


def _read_scale(kept: Mapping[str, NDArray[np.generic]], name: str, dim: int) -> Scale | None:
    if f"{name}.mean" not in kept:
        return None
    mean, covariance, gumbel = (kept[f"{name}.{part}"] for part in ("mean", "covariance", "gumbel"))
    if mean.shape != (dim,) or covariance.shape != (dim, dim) or gumbel.shape != (4,):
        raise ValueError("a scale of another width")
    location, spread, own_location, own_spread = gumbel.astype(float).tolist()
    if not (np.isfinite(gumbel).all() and np.isfinite(covariance).all() and spread > 0 and own_spread > 0):
        raise ValueError("a scale that measures nothing")
    moments = mean.astype(np.float32), covariance.astype(np.float32)
    return Scale(*moments, (location, spread), (own_location, own_spread))


def calibrate(index: SearchIndex, background: Background, card: EncoderCard) -> Calibration:
    """What the background queries reach in a library.

    Args:
        index: what was laid out of it.
        background: the queries.
        card: of the encoder that made them.
    """
    clips, seen = scale_of(_encoded(index.clip_vectors, index.clips), background)
    asked = {tag: against_lines(card, queries) for tag, queries in background.items()}
    lines, read = scale_of(_encoded(index.subtitle_vectors, index.subtitles), asked)
    texts = closeness_between(asked, background)
    by_sight = PICTURES.weigh(seen.bare) >= weight_of(FAIR)
    by_lines = LINES.weigh(read.bare, read.own, texts.of(read.cosines)) >= weight_of(FAIR)
    return Calibration(clips, lines, texts, _words(index), (_share(by_sight), _share(by_lines)))


def closeness_between(asked: Background, lines: Background) -> Closeness:
    """How close the same texts are to each other as queries and as lines, and to themselves.

    Args:
        asked: of the background queries, as they are compared with lines.
        lines: the same as they are compared with.
    """
    if not asked:  # of libraries that hold nothing
        return Closeness(0.0, 1.0)
    queries, rows = (np.concatenate(list(each.values())) for each in (asked, lines))
    return Closeness(
        unrelated=float(queries.mean(axis=0) @ rows.mean(axis=0)),
        same=float((queries * rows).sum(axis=1).mean()),
    )


@dataclass(frozen=True, slots=True)
class Reached:
    """What background queries reach at best, each (queries,).

    Attributes:
        cosines: of the best row.
        bare, own: how far it stands out, as ``Scale`` has it.
    """

    cosines: Vectors
    bare: Vectors
    own: Vectors


def scale_of(matrix: SearchedVectors | Vectors, background: Background) -> tuple[Scale | None, Reached]:
    """The scale of a matrix, and where the background queries lie on it.

    Args:
        matrix: (rows, dim) unit vectors.
        background: the queries.

    Returns:
        The scale, None if there are no rows or none that tell one query from another; and what each query
        reaches, nothing if there is no scale.
    """
    nothing = Reached(*np.zeros((3, 0), np.float32))
    if not len(matrix):
        return None, nothing
    count = max(_FEWEST, _PRODUCTS // len(matrix))
    queries = np.concatenate([vectors[:count] for vectors in background.values()])
    best = _best_of(matrix, queries)
    sample = np.array(matrix[:: max(1, len(matrix) // _SAMPLED_ROWS)], np.float32)
    mean = sample.mean(axis=0)
    covariance = (sample - mean).T @ (sample - mean) / np.float32(len(sample))
    # Rows that differ do so in the first number, too, but for accidents.
    if len(np.unique(sample[:, 0])) < _FEWEST_ROWS or float(np.trace(covariance)) < _EQUAL:
        mean, covariance = np.zeros_like(mean), np.zeros_like(covariance)
    standardised = _standardised(best, queries, mean, covariance)
    bare, own = _gumbel(best), _gumbel(standardised)
    if bare is None or own is None:
        return None, nothing
    scale = Scale(mean, covariance, bare, own)
    return scale, Reached(best, scale.deviations(best), scale.own_deviations(queries, best))


def provisional(cosines: Vectors, threshold: float, among: Cosines) -> Vectors:
    """Deviations for the time before a calibration: from the bundle's own threshold, in a usual spread.

    Where that was never measured, from what so many random rows would reach at best.

    Args:
        cosines: (rows,) of a query and some rows.
        threshold: cosine from which on a match means something; 0 if nobody knows.
        among: of the same query and all rows.
    """
    if threshold > 0:
        return np.asarray((cosines - threshold) / _USUAL_SPREAD, np.float32)
    every = among.every
    # The location of the maximum of so many normal variates, and the inverse of its scale.
    steep = np.sqrt(2 * np.log(max(len(every), 2)))
    spread = float(every.std()) if len(every) else 0.0
    if spread < _EQUAL:
        return np.zeros(cosines.shape, np.float32)
    return np.asarray(((cosines - every.mean()) / spread - steep) * steep, np.float32)


def provisional_closeness(cosines: Vectors, threshold: float, among: Cosines) -> Vectors:
    """How close lines are before a calibration: 0 is the bundle's threshold, or what all lines have.

    Args:
        cosines, threshold, among: as for ``provisional``.
    """
    unrelated = threshold if threshold > 0 else float(among.every.mean()) if len(among.every) else 0.0
    return Closeness(unrelated, 1.0).of(cosines)


def provisional_of_words(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same for the share of a query's letters that each line has."""
    return (shares - _USUAL_SHARE) / _USUAL_SPREAD_OF_SHARES


def _encoded(vectors: SearchedVectors, rows: pa.Table) -> SearchedVectors | Vectors:
    encoded = rows["encoded"].to_numpy()
    return vectors if encoded.all() else vectors[encoded]


def _share(passed: NDArray[np.bool_]) -> float:
    return float(passed.mean()) if len(passed) else 0.0


def _gumbel(best: Vectors) -> tuple[float, float] | None:
    """Location and spread by the method of moments; None if all are equal."""
    # A number of Python, as one that was kept is: with one of numpy the same scale would round otherwise.
    spread = float(best.std() * np.sqrt(6) / np.pi)
    return None if spread < _EQUAL else (float(best.mean()) - np.euler_gamma * spread, spread)


def _beyond(reached: Vectors, gumbel: tuple[float, float]) -> Vectors:
    location, spread = gumbel
    return np.asarray((reached - location) / spread, np.float32)


def _standardised(cosines: Vectors, queries: Vectors, mean: Vectors, covariance: Vectors) -> Vectors:
    """Cosines in standard deviations of what their queries, (queries, dim) or (dim,), have with all rows."""
    if not covariance.trace():  # a covariance is zero where its variances are
        return cosines
    deviation = np.sqrt(np.maximum(((queries @ covariance) * queries).sum(axis=-1), _EQUAL**2))
    return np.asarray((cosines - queries @ mean) / deviation, np.float32)


def _best_of(matrix: SearchedVectors | Vectors, queries: Vectors) -> Vectors:
    best = np.full(len(queries), -np.inf, np.float32)
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        np.maximum(best, (queries @ matrix[start : start + _ROWS_AT_ONCE].T).max(axis=1), out=best)
    return best


def _words(index: SearchIndex) -> NDArray[np.float64]:
    """For lines all over the library the share of their letters that the best other line has, ascending."""
    texts = index.subtitles["text"]
    if len(texts.unique()) < _FEWEST:
        return np.zeros(0)
    shares = []
    for row in np.linspace(0, len(texts) - 1, min(len(texts), _SAMPLED_LINES)).astype(int):
        words = indexed_words(texts[int(row)].as_py())  # without its quotes, which would ask for more
        asked = AskedWords.of(words)
        found = (texts[line].as_py() for line, _ in index.words.search(words, _OTHER_LINES))
        # A line that is there twice is not its own background.
        others = [asked.share_in(text) for text in found if not asked.stand_in(text)]
        shares.append(max(others, default=0.0))
    return np.sort(np.array(shares))
