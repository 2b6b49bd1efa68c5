"""Ranks of matrices and embeddings: right, bounded in memory, and never silent about bad input."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from polyreel.errors import UsageError
from polyreel.metrics.ranks import Ranks, Relevance, rank_embeddings, rank_scores
from polyreel.metrics.retrieval import METRICS, expected_rank, hits_at


def own(count: int) -> Relevance:
    """Query i wants column i."""
    return Relevance.of([[i] for i in range(count)], count)


def levels(ranks: Ranks) -> list[list[tuple[int, int, int]]]:
    """For each query its (above, tied, relevant)."""
    rows = list(zip(ranks.above.tolist(), ranks.tied.tolist(), ranks.relevant.tolist(), strict=True))
    return [rows[ranks.offsets[i] : ranks.offsets[i + 1]] for i in range(ranks.n_queries)]


def counted(
    similarity: NDArray[np.floating], truth: Sequence[Sequence[int]]
) -> list[list[tuple[int, int, int]]]:
    """The same by definition."""
    found = []
    for row, relevant in zip(similarity, truth, strict=True):
        scores = sorted({row[column] for column in relevant}, reverse=True)
        found.append(
            [
                (
                    sum(other > score for other in row),
                    sum(other == score for other in row),
                    sum(row[column] == score for column in relevant),
                )
                for score in scores
            ]
        )
    return found


class TestScores:
    @given(
        arrays.arrays(np.float32, (4, 30), elements=st.integers(0, 40)),
        st.lists(st.lists(st.integers(0, 29), min_size=1, max_size=30, unique=True), min_size=4, max_size=4),
        st.integers(1, 500),
    )
    def test_counts_are_those_of_the_definition(
        self, similarity: NDArray[np.float32], truth: list[list[int]], memory_bytes: int
    ) -> None:
        ranks = rank_scores(similarity, Relevance.of(truth, 30), memory_bytes=memory_bytes)
        assert levels(ranks) == counted(similarity, truth)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.dtype(">f4")])
    def test_any_float_will_do(self, dtype: np.dtype) -> None:
        similarity = np.random.default_rng(0).integers(-50, 50, (20, 20)).astype(dtype)
        assert levels(rank_scores(similarity, own(20))) == counted(similarity, [[i] for i in range(20)])

    def test_neighbouring_float64_scores_do_not_tie(self) -> None:
        similarity = np.array([[1.0, np.nextafter(1.0, 2.0)]])
        assert levels(rank_scores(similarity, Relevance.of([[0]], 2))) == [[(1, 1, 1)]]

    def test_a_file_is_read_in_pieces(self, tmp_path: Path) -> None:
        similarity = np.random.default_rng(0).random((1000, 2000), np.float32)
        np.save(tmp_path / "scores.npy", similarity)
        mapped = np.load(tmp_path / "scores.npy", mmap_mode="r")
        truth = Relevance.of([[i] for i in range(1000)], 2000)
        expected = levels(rank_scores(similarity, truth))
        tracemalloc.start()
        assert levels(rank_scores(mapped, truth, memory_bytes=200_000)) == expected
        assert tracemalloc.get_traced_memory()[1] < similarity.nbytes / 4
        tracemalloc.stop()

    def test_the_other_direction(self) -> None:
        """Two captions for each of three clips, none for the fourth."""
        similarity = np.random.default_rng(0).random((6, 4))
        truth = Relevance.of([[0], [0], [1], [1], [2], [2]], 4)
        items, wanted = truth.inverse()
        assert items.tolist() == [0, 1, 2]
        assert [wanted.of_query(i).tolist() for i in range(3)] == [[0, 1], [2, 3], [4, 5]]
        back = rank_scores(similarity.T[items], wanted)
        assert levels(back) == counted(similarity.T[:3], [[0, 1], [2, 3], [4, 5]])

    def test_twice_the_other_way_is_the_same_relevance(self) -> None:
        truth = Relevance.of([[2, 0], [1], [0, 1]], 3)
        _, there = truth.inverse()
        _, back = there.inverse()
        assert [sorted(back.of_query(i)) for i in range(3)] == [[0, 2], [1], [0, 1]]


class TestBadScores:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("column", [3, 7])
    @pytest.mark.parametrize("memory_bytes", [1, 1 << 20])
    def test_one_cell_that_is_not_finite_names_its_row(
        self, value: float, column: int, memory_bytes: int
    ) -> None:
        similarity = np.zeros((10, 10), np.float32)
        similarity[7, column] = value
        with pytest.raises(UsageError, match=r"not finite.*rows 7\b"):
            rank_scores(similarity, own(10), memory_bytes=memory_bytes)

    def test_all_bad_rows_are_counted_however_small_the_pieces(self) -> None:
        similarity = np.zeros((50, 50), np.float16)
        similarity[10:40, 0] = np.nan
        with pytest.raises(UsageError, match=r"rows 10, 11, 12, 13, 14 and 25 more"):
            rank_scores(similarity, own(50), memory_bytes=500)

    @pytest.mark.parametrize("shape", [(3, 4), (4, 3), (4,), (4, 4, 1)])
    def test_another_shape_than_the_truth(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(UsageError, match="similarity and truth disagree"):
            rank_scores(np.zeros(shape), own(4))

    @pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.complex64])
    def test_scores_that_are_no_floats(self, dtype: type) -> None:
        with pytest.raises(UsageError, match="must be floating point"):
            rank_scores(np.zeros((4, 4), dtype), own(4))


class TestTruth:
    @pytest.mark.parametrize(
        ("truth", "message"),
        [
            ([], "no query"),
            ([[0], [], [1], []], r"without a relevant item.*rows 1, 3"),
            ([[0], [5]], r"not there.*rows 1\b.*5 columns"),
            ([[0], [1], [-1]], r"not there.*rows 2\b"),
            ([[0], [1, 2, 1]], r"a column twice.*rows 1\b"),
            ([[0], [1.0]], r"not a list of columns.*rows 1\b"),
            ([[0], ["1"]], r"not a list of columns.*rows 1\b"),
            ([[0], [True]], r"not a list of columns.*rows 1\b"),
            ([[0], [None]], r"not a list of columns.*rows 1\b"),
            ([0, 1], r"not a list of columns.*rows 0, 1"),
            ([[0], [[1], [2, 3]]], r"not a list of columns.*rows 1\b"),
            ([[0], {"1": 2}], r"not a list of columns.*rows 1\b"),
            ([[0], [2**70]], r"not a list of columns.*rows 1\b"),
            ([[0], [2**63]], r"not there.*rows 1\b"),
        ],
    )
    def test_what_it_refuses(self, truth: list, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            Relevance.of(truth, 5)

    def test_an_empty_gallery(self) -> None:
        with pytest.raises(UsageError, match="not there"):
            Relevance.of([[0]], 0)


class TestTake:
    def ranks(self) -> tuple[NDArray[np.float64], list[list[int]], Ranks]:
        rng = np.random.default_rng(0)
        truth = [rng.choice(8, 1 + i % 3, replace=False).tolist() for i in range(6)]
        similarity = rng.integers(0, 5, (6, 8)).astype(float)
        return similarity, truth, rank_scores(similarity, Relevance.of(truth, 8))

    def test_some_queries_in_any_order(self) -> None:
        similarity, truth, ranks = self.ranks()
        assert levels(ranks.take([4, 0, 4])) == counted(similarity[[4, 0, 4]], [truth[i] for i in (4, 0, 4)])

    def test_a_mask_chooses_what_is_true(self) -> None:
        _, _, ranks = self.ranks()
        mask = np.array([True, False, False, True, False, False])
        assert levels(ranks.take(mask)) == levels(ranks.take([0, 3]))

    @pytest.mark.parametrize(
        ("chosen", "message"),
        [
            ([], "no query is chosen"),
            (np.zeros(6, np.bool_), "no query is chosen"),
            (np.ones(5, np.bool_), "not over all queries"),
            ([0, 6], "not there"),
            ([-1], "not there"),
        ],
    )
    def test_what_it_refuses(self, chosen: list[int], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            self.ranks()[2].take(chosen)


class TestEmbeddings:
    def vectors(self, queries: int, items: int, dim: int = 8) -> tuple[NDArray, NDArray]:
        """Small whole numbers: their products are exact in any order of addition, and often tie."""
        rng = np.random.default_rng(0)
        draw = lambda count: rng.integers(-2, 3, (count, dim)).astype(np.float32)  # noqa: E731
        return draw(queries), draw(items)

    @pytest.mark.parametrize("memory_bytes", [1, 4 * 70, 10_000, 64 << 20])
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_equal_the_ranks_of_the_whole_product(self, memory_bytes: int, dtype: type) -> None:
        queries, gallery = (vectors.astype(dtype) for vectors in self.vectors(50, 70))
        truth = Relevance.of([[i, i + 20] for i in range(50)], 70)
        whole = rank_scores(queries @ gallery.T, truth)
        assert levels(rank_embeddings(queries, gallery, truth, memory_bytes=memory_bytes)) == levels(whole)

    def test_memory_is_bounded(self) -> None:
        queries, gallery = self.vectors(500, 20_000)
        truth = Relevance.of([[i] for i in range(500)], 20_000)
        tracemalloc.start()
        rank_embeddings(queries, gallery, truth, memory_bytes=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        whole = 4 * 500 * 20_000
        assert peak < whole / 4

    @pytest.mark.parametrize("items", [17, 64, 257, 1000])
    @pytest.mark.parametrize("dim", [3, 129, 512])
    def test_identical_vectors_tie_exactly(self, items: int, dim: int) -> None:
        """Wherever they stand: a matrix product may round the columns at its edge in another way."""
        rng = np.random.default_rng(items)
        gallery = rng.standard_normal((items, dim)).astype(np.float32)
        alike = [0, items // 3, items // 2, items - 2, items - 1]
        gallery[alike] = gallery[0]
        queries = rng.standard_normal((31, dim)).astype(np.float32)
        truth = Relevance.of([alike[i % 5 : i % 5 + 1] for i in range(31)], items)
        ranks = rank_embeddings(queries, gallery, truth)
        assert set(ranks.tied.tolist()) == {5}

    def test_zero_has_one_sign(self) -> None:
        gallery = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0]], np.float32)
        ranks = rank_embeddings(np.ones((1, 2), np.float32), gallery, Relevance.of([[0]], 3))
        assert ranks.tied.tolist() == [3]

    @pytest.mark.parametrize("name", ["query", "gallery"])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_vector_that_is_not_finite_names_its_row(self, name: str, value: float) -> None:
        vectors = dict(zip(("query", "gallery"), self.vectors(4, 4), strict=True))
        vectors[name][2, 0] = value
        with pytest.raises(UsageError, match=rf"{name} vectors are not finite.*rows 2\b"):
            rank_embeddings(vectors["query"], vectors["gallery"], own(4))

    def test_a_product_that_overflows_names_its_row(self) -> None:
        queries, gallery = np.ones((4, 2), np.float32), np.full((4, 2), 1e30, np.float32)
        queries[3] = 1e30
        with pytest.raises(UsageError, match=r"scores are not finite.*rows 3\b"):
            rank_embeddings(queries, gallery, own(4))

    def test_a_float64_beyond_float32_names_its_row(self) -> None:
        gallery = np.ones((4, 2))
        gallery[1] = 1e300
        with pytest.raises(UsageError, match=r"gallery vectors are not finite.*rows 1\b"):
            rank_embeddings(np.ones((4, 2)), gallery, own(4))

    @pytest.mark.parametrize(
        ("queries", "gallery", "message"),
        [
            ((4, 2), (4, 3), "queries and gallery disagree"),
            ((4,), (4, 2), "queries and gallery disagree"),
            ((4, 0), (4, 0), "queries and gallery disagree"),
            ((3, 2), (4, 2), "embeddings and truth disagree"),
            ((4, 2), (5, 2), "embeddings and truth disagree"),
        ],
    )
    def test_shapes_that_disagree(
        self, queries: tuple[int, ...], gallery: tuple[int, ...], message: str
    ) -> None:
        with pytest.raises(UsageError, match=message):
            rank_embeddings(np.zeros(queries, np.float32), np.zeros(gallery, np.float32), own(4))

    def test_whole_numbers_are_no_embeddings(self) -> None:
        with pytest.raises(UsageError, match="query vectors must be floating point"):
            rank_embeddings(np.ones((4, 2), np.int8), np.ones((4, 2), np.float32), own(4))


class TestTrapsThatPeersFellInto:
    """The four rows of a table of peers' results on 1,000 x 1,000: silent losses, and 100 for a constant."""

    count = 1000

    def embeddings(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = np.random.default_rng(0)
        videos = rng.standard_normal((self.count, 64)).astype(np.float32)
        return videos + 2.5 * rng.standard_normal(videos.shape).astype(np.float32), videos

    def recall_by_sorting(self, similarity: NDArray[np.floating]) -> tuple[float, float]:
        """R@1 in percent with ties decided by chance, and its standard error, from 100 shuffles."""
        rng, found = np.random.default_rng(1), []
        for _ in range(100):
            order = rng.permutation(self.count)
            best = order[np.argmax(similarity[:, order], axis=1)]
            found.append(100 * np.mean(best == np.arange(self.count)))
        return float(np.mean(found)), float(np.std(found) / 10)

    def test_clean(self) -> None:
        queries, videos = self.embeddings()
        similarity = queries @ videos.T
        best = similarity.argmax(axis=1)
        expected = 100 * np.mean(best == np.arange(self.count))
        assert 10 < expected < 50
        for ranks in (
            rank_scores(similarity, own(self.count)),
            rank_embeddings(queries, videos, own(self.count)),
        ):
            assert METRICS["r@1"](ranks).mean() == pytest.approx(expected, abs=1e-9)

    def test_a_hundred_rows_of_nan(self) -> None:
        queries, videos = self.embeddings()
        similarity = queries @ videos.T
        similarity[::10] = np.nan
        with pytest.raises(UsageError, match=r"rows 0, 10, 20, 30, 40 and 95 more.*[Nn]othing is dropped"):
            rank_scores(similarity, own(self.count))

    def test_all_zeros(self) -> None:
        ranks = rank_scores(np.zeros((self.count, self.count), np.float32), own(self.count))
        assert METRICS["r@1"](ranks).mean() == pytest.approx(0.1, abs=1e-12)
        assert expected_rank(ranks).mean() == 500.5

    def test_fifty_broken_videos(self) -> None:
        queries, videos = self.embeddings()
        videos[100:150] = 0
        ranks = rank_embeddings(queries, videos, own(self.count))
        assert ranks.n_queries == self.count
        assert set(ranks.tied[100:150].tolist()) == {50}
        ours = METRICS["r@1"](ranks).mean()
        sorted_, error = self.recall_by_sorting(queries @ videos.T)
        assert ours == pytest.approx(sorted_, abs=4 * error + 1e-9)
        unharmed = np.delete(hits_at(ranks, 1), np.s_[100:150])
        assert ours < 100 * unharmed.mean()
