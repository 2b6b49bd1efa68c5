import json
from pathlib import Path

import numpy as np
import pytest

from polyreel.datasets.readers.xnli import read_xnli
from polyreel.encoders.runtime import Bundle
from polyreel.errors import DatasetError
from polyreel.evaluation.texts import run_bitext, run_xnli

# The tiny bundle knows colours in nine languages: the entailed hypothesis repeats the premise's colour.
ROWS = [
    ("p1", "fiction", {"en": "red dog", "de": "rot hund"}, {"en": "red", "de": "rot"}, "entailment"),
    ("p1", "fiction", {"en": "red dog", "de": "rot hund"}, {"en": "dog", "de": "hund"}, "neutral"),
    ("p1", "fiction", {"en": "red dog", "de": "rot hund"}, {"en": "blue", "de": "blau"}, "contradiction"),
    ("p2", "travel", {"en": "green", "de": "grün"}, {"en": "white", "de": "weiß"}, "contradiction"),
    ("p2", "travel", {"en": "green", "de": "grün"}, {"en": "green", "de": "grün"}, "entailment"),
    ("p2", "travel", {"en": "green", "de": "grün"}, {"en": "green dog", "de": "grün hund"}, "neutral"),
]


def _quiet(_what: str, _done: int, _total: int) -> None:
    pass


def _write(folder: Path, rows: list[tuple[str, str, dict[str, str], dict[str, str], str]], form: str) -> Path:
    folder.mkdir(exist_ok=True)
    if form == "parallel":
        lines = [
            json.dumps(
                {
                    "promptID": prompt,
                    "pairID": str(i),
                    "genre": genre,
                    "gold_label": label,
                    "premise": premise,
                    "hypothesis": hypothesis,
                }
            )
            for i, (prompt, genre, premise, hypothesis, label) in enumerate(rows)
        ]
        (folder / "xnli.dev.parallel.jsonl").write_text("\n".join(lines) + "\n")
        return folder
    header = ["language", "gold_label", "sentence1", "sentence2", "promptID", "pairID", "genre"]
    table = [
        [tag, label, premise[tag], hypothesis[tag], prompt, str(i), genre]
        for tag in ("en", "de")
        for i, (prompt, genre, premise, hypothesis, label) in enumerate(rows)
    ]
    (folder / "xnli.dev.tsv").write_text("\n".join("\t".join(row) for row in [header, *table]) + "\n")
    return folder


def test_the_official_table_and_the_aligned_file_say_the_same(tmp_path: Path) -> None:
    assert read_xnli(_write(tmp_path / "a", ROWS, "parallel")) == read_xnli(
        _write(tmp_path / "b", ROWS, "tsv")
    )


def test_a_stray_quotation_mark_swallows_nothing(tmp_path: Path) -> None:
    rows = [
        (p, g, {"en": '"' + premise["en"], "de": premise["de"]}, h, label) for p, g, premise, h, label in ROWS
    ]
    premises = read_xnli(_write(tmp_path, rows, "tsv"))
    assert premises[0].premise["en"] == '"red dog'
    assert len(premises) == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[1:], "lacks a hypothesis"),
        ([*ROWS, ROWS[0]], "two hypotheses of label entailment"),
        ([(*ROWS[0][:4], "maybe"), *ROWS[1:]], "unknown label"),
        ([(*ROWS[0][:3], {"en": "red"}, "entailment"), *ROWS[1:]], "not in XNLI's format"),
    ],
)
def test_a_broken_premise_is_named(tmp_path: Path, rows: list[tuple], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_xnli(_write(tmp_path, rows, "parallel"))


def test_premises_find_their_hypotheses_across_languages(tmp_path: Path, tiny_bundle: Bundle) -> None:
    premises = read_xnli(_write(tmp_path, ROWS, "parallel"))
    measured = run_xnli(premises, tiny_bundle, languages=None, seed=0, progress=_quiet)
    table = measured.tables["accuracy@1: query language by gallery language"]
    assert table.rows == table.columns == ("en", "de")
    # p1: "red" and "dog" are equally near to "red dog", so they share the first place; p2 is clear.
    assert np.allclose(table.values, 75.0)
    triplet = measured.tables["triplet: query language by gallery language"]
    assert np.allclose(triplet.values, 100.0)
    assert measured.tables["accuracy@1: query language by genre"].columns == ("fiction", "travel")
    assert measured.gallery == 6
    assert measured.consistency["all_languages_r@1 over query languages"] <= 100


def test_a_constant_encoder_scores_a_third_and_a_half(tmp_path: Path, tiny_bundle: Bundle) -> None:
    words = {"en": "unknown", "de": "unbekannt"}  # outside the vocabulary: every vector is zero
    rows = [(prompt, genre, words, words, label) for prompt, genre, _, _, label in ROWS]
    premises = read_xnli(_write(tmp_path, rows, "parallel"))
    measured = run_xnli(premises, tiny_bundle, languages=None, seed=0, progress=_quiet)
    metrics = measured.languages["en"].metrics
    assert metrics["accuracy@1"].value == pytest.approx(100 / 3)
    assert metrics["triplet"].value == pytest.approx(50)
    assert metrics["r@1"].value == pytest.approx(100 / 6)


def test_translations_are_found_in_both_directions(tiny_bundle: Bundle) -> None:
    sentences = {
        "en": ("red", "green", "blue dog"),
        "de": ("rot", "grün", "blau hund"),
        "sw": ("nyekundu", "kijani", "buluu mbwa"),
    }
    measured = run_bitext(sentences, tiny_bundle, languages=None, seed=0, progress=_quiet)
    assert list(measured.languages) == ["de", "sw"]
    for found in measured.languages.values():
        assert found.metrics["r@1"].value == found.metrics["r@1 from English"].value == 100
    with pytest.raises(DatasetError, match="no sentences"):
        run_bitext(sentences, tiny_bundle, languages=["fr"], seed=0, progress=_quiet)
