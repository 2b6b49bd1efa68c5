"""The page: complete, self-contained, and safe whatever a results file holds."""

from __future__ import annotations

import base64
import sys
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

import matplotlib
import pytest
from made_up import jpeg, make_card, make_result, worst_query

from polyreel.errors import ResultError, UsageError
from polyreel.evaluation.results import Matrix, MissingItem, Result
from polyreel.extras import install_extra
from polyreel.report.labelled import check_result
from polyreel.report.report import make_report

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>$\\frac{{7*7}}"
_VOID = {"meta", "img", "br", "hr", "input", "link"}


class Page(HTMLParser):
    """Elements, attributes and text, and whether tags close in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.first_children: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self._childless = False
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._childless:
            self.first_children.append((self._open[-1], tag))
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._childless = tag not in _VOID
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._childless = False

    def handle_endtag(self, tag: str) -> None:
        self._childless = False
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def full_results() -> list[Result]:
    missing = [MissingItem(id="clip-9", reason="no such file")]
    return [
        make_result(worst=[worst_query()], missing=missing),
        make_result("large", skill=0.6, seed=1, missing=missing),
        make_result("xnli", card=make_card("xnli", task="text->text"), accuracy=True),
        make_result("tricky", seed=2, options={"dual softmax": "temperature 0.05"}),
    ]


def hostile_result() -> Result:
    """EVIL in every place where a string may stand."""
    clean = make_result(languages=("en", EVIL), worst=[worst_query(EVIL, picture="javascript:alert(3)")])
    card = make_card(
        EVIL,
        description=EVIL,
        split=EVIL,
        licence=EVIL,
        citation=EVIL,
        known_faults=(EVIL,),
        data=EVIL,
        sample_creation={EVIL: "machine-translated"},
    )
    query = clean.worst[0].model_copy(update={"language": EVIL, "wanted": EVIL, "found": EVIL})
    system = clean.system.model_copy(update={"bundle": EVIL, "identity": EVIL, "polyreel": EVIL})
    table = clean.tables["overlap@10"]
    return clean.model_copy(
        update={
            "card": card,
            "system": system,
            "worst": (query,),
            "command": EVIL,
            "card_digest": EVIL,
            "date": EVIL,
            "environment": {EVIL: EVIL},
            "options": {EVIL: EVIL},
            "missing": (MissingItem(id=EVIL, reason=EVIL),),
            "consistency": {EVIL: 0.5, f"overlap@10 {EVIL}": 0.5},
            "tables": {EVIL: table},
        }
    )


def assert_self_contained(page: Page) -> None:
    assert not {"script", "link", "iframe", "object", "embed", "base", "form", "foreignobject"} & {
        tag for tag, _ in page.elements
    }
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/jpeg;base64,"))
        assert "url(" not in attributes.get("style", "").replace("url(#", "")


def test_page_is_well_formed_accessible_and_self_contained() -> None:
    source = make_report(full_results())
    page = Page(source)
    assert_self_contained(page)
    assert "http" not in source.replace('http-equiv="Content-Security-Policy"', "")
    policy = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv")]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]

    assert len(page.all("img")) == 2
    assert all(image["alt"] for image in page.all("img"))
    drawings = page.all("svg")
    assert len(drawings) == 3 * 2 + 4
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in drawings)
    assert Counter(page.first_children)["svg", "title"] == len(drawings)
    assert Counter(page.first_children)["table", "caption"] == len(page.all("table"))
    assert all(header.get("scope") for header in page.all("th"))

    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert ids.most_common(1)[0][1] == 1
    targets = {
        attributes["href"][1:] for _, attributes in page.elements if attributes.get("href", "")[:1] == "#"
    }
    assert targets <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.elements if tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_page_says_everything() -> None:
    words = Page(make_report(full_results())).words
    for said in (
        "Machine translation. The queries in de were translated by a machine",
        "CC BY 4.0",
        "Nobody, 2026",
        "it does not exist",
        "created: en; machine-translated: de; not stated: zh, sw",
        "120 in each of en, de, zh, sw",
        "polyreel eval made-up --bundle small",
        "12.5 s, 512 MB",
        "2026-01-02T03:04:05+00:00",
        "python 3.12.0, numpy 2.0",
        "0" * 64,
        make_card().digest,
        "Transductive.",
        "temperature 0.05",
        "1 missing.",
        "no such file",
        "犬が走る zh, rank 57.5",
        "wanted: clip-1",
        "accuracy@1",
        "triplet",
        "0.350 to 0.500",
        "Share of the first hits that two languages have in common",
        "Not all of these results may be compared",
        "options {} against {'dual softmax': 'temperature 0.05'}",
    ):
        assert said in words, said


def test_figures_of_plots_are_also_in_words() -> None:
    result = make_result(languages=("en", "sw"))
    labels = [drawing["aria-label"] for drawing in Page(make_report([result])).all("svg")]
    r1 = {tag: language.metrics["r@1"].value for tag, language in result.languages.items()}
    mean = result.macro["r@1"].value
    assert labels[0] == (
        "R@1 per language with 95% intervals. small (00000000): "
        f"mean {mean:.1f}, best en {r1['en']:.1f}, worst sw {r1['sw']:.1f}."
    )
    assert f"small (00000000): mean {r1['en'] - r1['sw']:.1f} points" in labels[1]
    assert "2 rows by 2 columns: from 0.51 (en with sw) to 0.51" in labels[2]


def test_equal_results_give_equal_pages() -> None:
    page = make_report(full_results())
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True}):
        assert make_report(full_results()) == page


def test_nothing_in_a_results_file_becomes_markup() -> None:
    source = make_report([hostile_result(), make_result()])
    page = Page(source)
    assert_self_contained(page)
    assert not page.all("img") or all(image["src"].startswith("data:") for image in page.all("img"))
    assert "<script" not in source
    assert "alert(1)" in page.words
    assert "{{7*7}}" in page.words


@pytest.mark.parametrize(
    "picture",
    [
        "javascript:alert(1)",
        'x" onerror="alert(1)',
        base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode(),
        base64.b64encode(b"GIF89a").decode(),
        jpeg()[:-8],
        jpeg() + "\n",
        "",
        base64.b64encode(b"\xff\xd8\xff" + bytes(400_000) + b"\xff\xd9").decode(),
    ],
)
def test_pictures_that_are_no_jpeg_are_not_shown(picture: str) -> None:
    page = Page(make_report([make_result(worst=[worst_query(picture=picture)])]))
    assert [image["alt"] for image in page.all("img")] == ["found: clip-2"]
    assert "The picture in the file is not a JPEG and is not shown." in page.words


def test_text_results_have_no_pictures_and_no_excuse_for_it() -> None:
    query = worst_query().model_copy(update={"wanted_picture": None, "found_picture": None})
    page = Page(make_report([make_result(worst=[query])]))
    assert not page.all("img")
    assert "not a JPEG" not in page.words


def test_one_language_has_neither_gap_nor_agreement() -> None:
    result = make_result(languages=("en",)).model_copy(update={"consistency": {}, "tables": {}})
    page = Page(make_report([result]))
    assert len(page.all("svg")) == 1
    assert "Agreement between languages" not in page.words


def test_many_systems_labels_of_any_script_and_cells_without_a_number() -> None:
    names = ("模型", "модель", "$x_1$ & <b>", "a" * 300, "e", "f")
    results = [make_result(name, seed=seed) for seed, name in enumerate(names)]
    table = Matrix(
        rows=("en", "de"), columns=("news", "speech" * 9), values=((1.0, float("nan")), (50.0, 99.5))
    )
    results[0] = results[0].model_copy(update={"tables": {"by genre": table}})
    source = make_report(results)
    assert "–</text>" in source
    assert "$x_1$ &amp; &lt;b&gt;" in source
    assert "模型" in Page(source).words


def test_machine_translation_is_warned_of_where_it_was_measured() -> None:
    assert "Machine translation" not in Page(make_report([make_result(languages=("en", "sw"))])).words


def test_the_same_system_twice_gets_two_names() -> None:
    words = Page(make_report([make_result(), make_result(), make_result()])).words
    assert "small (00000000) no. 2" in words
    assert "small (00000000) no. 3" in words


def test_a_digest_that_is_not_the_cards_is_pointed_out() -> None:
    result = make_result().model_copy(update={"card_digest": "f" * 64})
    assert "not that of the card in the file" in Page(make_report([result])).words


def test_no_result_is_refused() -> None:
    with pytest.raises(UsageError, match="no result"):
        make_report([])


def test_a_result_that_contradicts_itself_is_refused() -> None:
    result = make_result()
    language = result.languages["de"]
    ragged = Matrix(rows=("en", "de"), columns=("en", "de"), values=((1.0, 2.0), (1.0,)))
    figures = dict(language.metrics)
    broken = {
        "no language": {"languages": {}},
        "119 hits": {"languages": {"de": language.model_copy(update={"hits": language.hits[:-1]})}},
        "not a probability": {
            "languages": {"de": language.model_copy(update={"hits": (2.0, *language.hits[1:])})}
        },
        "other metrics: mrr": {
            "languages": {"de": language.model_copy(update={"metrics": {"mrr": figures["mrr"]}})}
        },
        "r@1 is not a number": {
            "languages": {
                "de": language.model_copy(
                    update={
                        "metrics": figures
                        | {"r@1": figures["r@1"].model_copy(update={"value": float("nan")})}
                    }
                )
            }
        },
        "half an interval": {
            "languages": {
                "de": language.model_copy(
                    update={"metrics": figures | {"r@1": figures["r@1"].model_copy(update={"low": None})}}
                )
            }
        },
        "not the mean|the mean of its hits": {
            "languages": {"de": language.model_copy(update={"hits": (1.0,) * 120})}
        },
        "mean .other metrics": {"macro": {}},
        "not a table of its rows": {"tables": {"t": ragged}},
    }
    for said, update in broken.items():
        with pytest.raises(ResultError, match=said) as caught:
            check_result(result.model_copy(update=update), item="file.json")
        assert "file.json" in str(caught.value)


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_missing_packages_are_named_and_tables_do_without_them(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    for module in ("page", "plots"):
        monkeypatch.delitem(sys.modules, f"polyreel.report.{module}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=package) as caught:
        make_report([make_result()])
    assert f"Install it with: {install_extra('report')}" in str(caught.value)
    assert "small" in make_report([make_result()], "markdown")
