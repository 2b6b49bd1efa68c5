"""Lexicons of packages stand in for languages that a folder lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyreel.codeswitch.lexicon_packages import LEXICON_PACKAGES, fetch_lexicon
from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.errors import DatasetError


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's folder as if it had been fetched."""
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    package = LEXICON_PACKAGES["it"]
    folder = tmp_path / "cache" / "corpora" / f"{package.package}-{package.version}"
    folder.mkdir(parents=True)
    (folder / "en-it.tsv").write_text("dog\tcane\t1\n", encoding="utf-8")
    return folder


def test_a_language_that_the_folder_lacks_comes_from_its_package(fetched: Path, tmp_path: Path) -> None:
    (tmp_path / "lexicons").mkdir()
    (tmp_path / "lexicons" / "en-de.tsv").write_text("dog\tHund\t1\n", encoding="utf-8")
    catalog = DatasetCatalog(tmp_path)
    catalog.require_lexicons("lexicons", ["it", "de"])
    found = catalog.lexicons("lexicons", ["it", "de"])
    assert list(found) == ["it", "de"]
    assert [each.entries["dog"] for each in found.values()] == [("cane",), ("Hund",)]
    assert fetch_lexicon("it", tmp_path / "cache" / "corpora") == fetched
    assert DatasetCatalog(tmp_path).lexicons("none", ["it"]).keys() == {"it"}


def test_a_lexicon_in_the_folder_comes_first(fetched: Path, tmp_path: Path) -> None:
    (tmp_path / "lexicons").mkdir()
    (tmp_path / "lexicons" / "en-it.tsv").write_text("dog\tsegugio\t1\n", encoding="utf-8")
    assert DatasetCatalog(tmp_path).lexicons("lexicons", ["it"])["it"].entries["dog"] == ("segugio",)


def test_a_language_that_neither_has_is_missing(fetched: Path, tmp_path: Path) -> None:
    (tmp_path / "lexicons").mkdir()
    (tmp_path / "lexicons" / "en-de.tsv").write_text("dog\tHund\t1\n", encoding="utf-8")
    for ask in (DatasetCatalog(tmp_path).lexicons, DatasetCatalog(tmp_path).require_lexicons):
        with pytest.raises(DatasetError, match="no lexicon for a language"):
            ask("lexicons", ["it", "pt"])
