import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from colour_clips import colour_clips

from polyreel.encoders.runtime import Bundle
from polyreel.errors import DatasetError, ResultError, UnknownNameError, UsageError
from polyreel.evaluation.benchmarks import BENCHMARKS
from polyreel.evaluation.cards import BenchmarkCard
from polyreel.evaluation.items import evaluation_set
from polyreel.evaluation.results import differences, read_result
from polyreel.evaluation.run import _counted, evaluate
from polyreel.metrics.score_normalizers import dual_softmax
from polyreel.metrics.scores import score_matrix


def test_a_folder_of_ones_own_clips_is_measured_in_every_language(
    tmp_path: Path, tiny_bundle: Bundle
) -> None:
    result = evaluate(tiny_bundle, "folder", data=colour_clips(tmp_path / "clips"))
    assert result.gallery == 4
    assert {tag: found.n_queries for tag, found in result.languages.items()} == {"de": 4, "en": 4, "sw": 4}
    assert all(found.metrics["r@1"].value == 100 for found in result.languages.values())
    assert result.gap is not None
    assert result.gap["r@1"].absolute == 0
    assert result.consistency["all_languages_r@1"] == 100
    assert result.macro["mean_rank"].value == 1


def test_figures_of_a_result_have_intervals_that_hold_them(tmp_path: Path, tiny_bundle: Bundle) -> None:
    result = evaluate(tiny_bundle, "folder", data=colour_clips(tmp_path / "clips"), languages=["en"])
    assert list(result.languages) == ["en"]
    for figure in result.languages["en"].metrics.values():
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high


def test_an_item_that_cannot_be_read_is_named_and_counts_for_nothing(
    tmp_path: Path, tiny_bundle: Bundle
) -> None:
    folder = colour_clips(tmp_path / "clips")
    (folder / "green.mp4").write_bytes(b"")
    result = evaluate(tiny_bundle, "folder", data=folder)
    assert [item.id for item in result.missing] == ["green"]
    assert "empty" in result.missing[0].reason
    assert result.gallery == 3
    assert result.languages["en"].n_queries == 3


def test_a_language_that_an_item_lacks_gives_fewer_queries(tmp_path: Path, tiny_bundle: Bundle) -> None:
    folder = colour_clips(tmp_path / "clips", caption={"en": ["red"], "de": []})
    result = evaluate(tiny_bundle, "folder", data=folder)
    assert {tag: found.n_queries for tag, found in result.languages.items()} == {"de": 3, "en": 4, "sw": 3}


def test_a_relevant_neighbour_counts_as_found(tmp_path: Path, tiny_bundle: Bundle) -> None:
    folder = colour_clips(tmp_path / "clips", caption={"en": ["green"]}, also_relevant=["green"])
    result = evaluate(tiny_bundle, "folder", data=folder, languages=["en"])
    assert result.languages["en"].metrics["r@1"].value == 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "green"}, "ids occur more than once"),
        ({"media": "../outside.mp4"}, "leads out of the folder"),
        ({"media": []}, "without media"),
        ({"caption": {}}, "without a caption"),
        ({"caption": {"klingon!": ["Qapla"]}}, "not a language tag"),
        ({"also_relevant": ["nobody"]}, "names ids that are not there"),
        ({"colour": "red"}, "not as it should be"),
    ],
)
def test_a_bad_line_is_named(
    tmp_path: Path, tiny_bundle: Bundle, changes: dict[str, object], message: str
) -> None:
    folder = colour_clips(tmp_path / "clips", **changes)
    with pytest.raises(DatasetError, match=message):
        evaluate(tiny_bundle, "folder", data=folder)


def test_a_copy_of_msrvtt_that_lacks_a_sentence_is_measured_and_says_so() -> None:
    stated = BENCHMARKS["msrvtt-full"].card
    assert (stated.queries["en"], stated.fewer_queries) == (59_800, 2)
    assert BENCHMARKS["msrvtt-1k-a"].card.fewer_queries == 0

    def counted(queries: int) -> BenchmarkCard:
        english = SimpleNamespace(n_queries=queries)
        return _counted(stated, SimpleNamespace(missing=(), gallery=2_990, languages={"en": english}))

    assert counted(59_800) == stated
    card = counted(59_798)
    assert card.known_faults[-1] == "this copy of the data has 59,798 of 59,800 queries in en"
    assert card.digest == stated.digest
    for queries in (59_797, 59_801):
        with pytest.raises(DatasetError, match=f"stated number of queries in en .{queries:,}, stated 59,800"):
            counted(queries)


def test_a_language_without_queries_is_refused(tmp_path: Path, tiny_bundle: Bundle) -> None:
    with pytest.raises(DatasetError, match="no query in this language"):
        evaluate(tiny_bundle, "folder", data=colour_clips(tmp_path / "clips"), languages=["en", "fr"])


@pytest.mark.parametrize("name", ["msrvtt-dev-9", "multi30k", "xnli", "ntrex", "vatex", "xm3600", "folder"])
def test_a_benchmark_without_data_says_what_to_get_and_where_to_put_it(
    name: str, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    for data in (None, tmp_path / "nowhere"):
        with pytest.raises(DatasetError) as refused:
            evaluate(tiny_bundle, name, data=data)
        assert BENCHMARKS[name].card.data in str(refused.value)
    with pytest.raises(DatasetError):
        evaluate(tiny_bundle, name, data=tmp_path)


def test_an_unknown_benchmark_is_met_with_the_nearest_name(tiny_bundle: Bundle) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'msrvtt-dev-9'"):
        evaluate(tiny_bundle, "msrvtt-dev9")


def test_every_card_says_how_its_queries_came_about() -> None:
    for name, benchmark in BENCHMARKS.items():
        card = benchmark.card
        assert card.name == name
        assert set(card.queries) <= set(card.sample_creation) or name == "folder"
        assert card.data
        assert card.licence


def test_a_card_with_other_numbers_has_another_digest() -> None:
    card = BENCHMARKS["ntrex"].card
    assert card.model_copy(update={"gallery": 999}).digest != card.digest
    assert card.model_copy(update={"description": "in other words"}).digest == card.digest


def test_a_result_survives_its_file_and_another_schema_does_not(tmp_path: Path, tiny_bundle: Bundle) -> None:
    result = evaluate(tiny_bundle, "folder", data=colour_clips(tmp_path / "clips"))
    path = tmp_path / "result.json"
    path.write_text(result.model_dump_json())
    assert read_result(path) == result
    path.write_text(json.dumps(json.loads(result.model_dump_json()) | {"schema_version": 2}))
    with pytest.raises(ResultError, match="not a result of this version"):
        read_result(path)
    with pytest.raises(ResultError, match="cannot be read"):
        read_result(tmp_path / "absent.json")


def test_results_of_different_galleries_do_not_compare(tmp_path: Path, tiny_bundle: Bundle) -> None:
    whole = evaluate(tiny_bundle, "folder", data=colour_clips(tmp_path / "clips"))
    assert differences(whole, whole) == []
    folder = colour_clips(tmp_path / "less")
    (folder / "green.mp4").unlink()
    less = evaluate(tiny_bundle, "folder", data=folder)
    assert any("gallery of 4 against 3" in text for text in differences(whole, less))


def test_a_constant_matrix_is_not_good_at_anything() -> None:
    document = score_matrix(np.zeros((1000, 1000), np.float32), [[i] for i in range(1000)]).to_dict()
    assert document["r@1"] == pytest.approx(0.1)
    assert document["mean_rank"] == document["median_rank"] == 500.5
    assert set(document) >= {"n_queries", "gallery", "r@1", "r@5", "r@10", "median_rank", "mrr", "ci95"}


def test_the_real_dev_set_has_the_stated_size(shared_data: Path) -> None:
    from polyreel.datasets.readers.flickr8k import flickr8k_records
    from polyreel.datasets.readers.msrvtt_frames import msrvtt_dev_records
    from polyreel.datasets.readers.xnli import read_xnli

    dev = evaluation_set(msrvtt_dev_records(shared_data / "msrvtt-frames"), "dev")
    assert (len(dev.items), len(dev.missing)) == (324, 0)
    assert all(len(item.captions) == 9 for item in dev.items)
    photos = evaluation_set(flickr8k_records(shared_data / "flickr8k-1000"), "photos")
    assert len(photos.items) == 1000
    premises = read_xnli(shared_data / "xnli")
    assert len(premises) == 830
    assert set(premises[0].premise) == {"en", "de", "fr", "zh", "ru", "vi", "sw", "es"}


def test_a_score_normalizer_is_off_unless_named_and_then_written_on_the_result(
    tmp_path: Path, tiny_bundle: Bundle
) -> None:
    folder = colour_clips(tmp_path / "clips")
    plain = evaluate(tiny_bundle, "folder", data=folder)
    normalized = evaluate(tiny_bundle, "folder", data=folder, score_normalizer="dual-softmax")
    assert plain.options == {}
    assert "all test queries" in normalized.options["dual-softmax"]
    assert any("options" in text for text in differences(plain, normalized))
    with pytest.raises(UnknownNameError, match="Did you mean 'dual-softmax'"):
        evaluate(tiny_bundle, "folder", data=folder, score_normalizer="dual-softmx")
    with pytest.raises(UsageError, match="text against text"):
        evaluate(tiny_bundle, "ntrex", data=folder, score_normalizer="dual-softmax")


def test_dual_softmax_favours_the_query_that_an_item_prefers() -> None:
    scores = np.array([[0.5, 0.4], [0.6, 0.1]])  # both queries like the first item best
    assert dual_softmax(scores).argmax(axis=1).tolist() == [1, 0]


def test_items_find_their_captions_too(tmp_path: Path, tiny_bundle: Bundle) -> None:
    result = evaluate(tiny_bundle, "folder", data=colour_clips(tmp_path / "clips"))
    table = result.tables["media to text: language by recall"]
    assert table.rows == ("en", "de", "sw")
    assert all(row[0] == 100 for row in table.values)
