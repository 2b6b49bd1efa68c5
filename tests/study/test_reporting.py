"""The ledger and the pages of a study, from cells to files."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from polyreel.errors import RecipeError, ResultError
from polyreel.study import findings
from polyreel.study.ledger import ClaimSpec, read_claims
from polyreel.study.own_results import read_rank_table
from polyreel.study.recipe import read_study
from polyreel.study.recipe_facts import RecipeFacts, facts_of
from polyreel.study.register import read_register, register_sha256
from polyreel.study.reporting import StudyReport, write_report
from polyreel.study.results import StudyCells
from polyreel.study.simulation import SimulatedSetting, simulate_cells, strength_for

STUDIES = Path(__file__).parents[2] / "studies"
EXAMPLE = STUDIES / "example"
SETTINGS = (
    SimulatedSetting("msrvtt-it", clips=60, sources=55, language="it"),
    SimulatedSetting("flickr8k-de", clips=100, sources=100, language="de", folds=5),
)


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    """Of what decides nothing: the page has hundreds of such intervals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "_SHOWN_RESAMPLES", 100)
        yield


@pytest.fixture(scope="module")
def register(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the repository, on two settings and fewer resamples."""
    document = yaml.safe_load((STUDIES / "mmp" / "register.yaml").read_text(encoding="utf-8"))
    document["resamples"] = 1000
    for question in document["questions"].values():
        question["settings"] = [setting.name for setting in SETTINGS]
    document["explorations"] = {}
    path = tmp_path_factory.mktemp("rules") / "register.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def cells(register: Path) -> StudyCells:
    base = strength_for(50, gallery=60)
    text = {"C": base, "C+": base, "VC0": base, "VC": base + 1, "D": 0.9, "D0": 0.0}
    video = {"S": 0.9, "VE": 0.0, "VC": 0.8, "VC0": 0.0}
    found = simulate_cells(
        SETTINGS,
        {"text to text": text, "text to video": video},
        seeds=range(5),
        rng=np.random.default_rng(0),
    )
    digest = register_sha256(register)
    own = tuple(
        cell.model_copy(update={"register_sha256": digest, "switched": {"de": (0.2, 0.1, 0.3)}})
        for cell in found.cells
    )
    return found.model_copy(update={"cells": own})


@pytest.fixture(scope="module")
def report(cells: StudyCells, register: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyReport:
    return write(cells, register, tmp_path_factory.mktemp("report"))


def write(cells: StudyCells, register: Path, out: Path) -> StudyReport:
    return write_report(
        cells,
        register=register,
        claims=STUDIES / "mmp" / "claims.yaml",
        out=out,
        command="polyreel study toy.yaml",
        facts=RecipeFacts(limits=("Only toys were asked.",)),
    )


def test_every_claim_has_a_verdict_of_its_kind(report: StudyReport) -> None:
    verdicts = {claim.number: claim.verdict for claim in report.claims}
    assert len(verdicts) == 16
    assert {verdicts[number] for number in (0, 1, 5, 6, 15)} == {"supported"}
    assert verdicts[12] == "a definition"
    assert {verdicts[number] for number in (10, 11)} == {"history"}
    assert {verdicts[number] for number in (2, 3, 4, 7, 8, 9, 13, 14)} == {"cannot be tested here"}
    for number in (13, 14):
        claim = next(claim for claim in report.claims if claim.number == number)
        assert "XLM-R or mBERT" in claim.because


def test_pages_say_what_is_found_from_how_much_and_under_which_rules(report: StudyReport) -> None:
    html, page = (path.read_text(encoding="utf-8") for path in report.files[:2])
    sha256 = report.findings.register_sha256
    for text in (html, page):
        assert sha256 in text
        assert "Registered: all" in text
        assert "trained on nothing before" in text  # what the encoder learnt from
        assert "Only toys were asked." in text
        assert "5 seeds" in text
        assert "queries of" in text
        assert "would have been seen" in text
        # R@1 comes last.
        assert text.rindex("R@1, %") > text.rindex("found in both@10, %")
    assert "<script" not in html
    figures = report.files[0].parent / "figures"
    for path in figures.iterdir():
        assert f"figures/{path.name}" in html
        json.loads(path.read_text(encoding="utf-8"))
    assert {path.stem for path in figures.iterdir()} >= {
        "P1-by-setting",
        "found-in-both-10-u-mean",
        "kappa-10-u-mean",
    }
    assert any("seed 5" in each for each in report.findings.missing)


def test_a_study_says_what_it_has_not_of_its_register() -> None:
    rules = read_register(STUDIES / "mmp" / "register.yaml")
    assert facts_of(read_study(STUDIES / "mmp" / "small.yaml"), rules).shortened == ()
    assert facts_of(read_study(STUDIES / "mmp" / "smoke.yaml"), rules).shortened == (
        "u: without msrvtt-it, flickr8k-fr, flickr8k-cs, stamps",
        "e: without msrvtt-nine",
        "u on flickr8k-de: without VP, SK",
        "u on flickr8k-de: 2 of 10 seeds",
        "flickr8k-de: 200 of 750 training clips",
        "flickr8k-de: 120 of 937 test clips",
    )


def test_pages_say_what_is_shortened_and_what_the_specs_of_encoders_say(
    cells: StudyCells, register: Path, tmp_path: Path
) -> None:
    facts = facts_of(read_study(STUDIES / "mmp" / "small.yaml"), read_register(register))
    facts = RecipeFacts(origins=facts.origins, shortened=("u: 2 of 10 seeds",))
    found = write_report(cells, register=register, claims=None, out=tmp_path, command="", facts=facts)
    for path in found.files[:2]:
        text = path.read_text(encoding="utf-8")
        assert "Shortened: less than the register asks for (u: 2 of 10 seeds)." in text
        assert "not the registered ones" in text
        # In the register's words and in its spec's, beside every answer and table and in the list.
        assert text.count("It decides. hashed-bag: trained on nothing, random weights") > 6
        assert "translation pairs (NLLB) among them" in text
    # Without them, the same cells are not judged again, but the pages are written anew.
    again = write_report(cells, register=register, claims=None, out=tmp_path, command="")
    assert not again.was_there
    assert "Shortened" not in again.files[1].read_text(encoding="utf-8")


def test_a_register_that_only_explores_has_figures_and_no_answers(
    cells: StudyCells, register: Path, tmp_path: Path
) -> None:
    rules = yaml.safe_load(register.read_text(encoding="utf-8"))
    entry = {"asks": "Does it help?", "encoder": "u", "settings": ["flickr8k-de"], "task": "text to text"}
    entry |= {"queries": "all", "outcomes": ["r@10"], "contrasts": [["VC", "C"]]}
    rules |= {"questions": {}, "family": [], "explorations": {"helps": entry}}
    path = tmp_path / "register.yaml"
    path.write_text(yaml.safe_dump(rules, allow_unicode=True), encoding="utf-8")
    out = tmp_path / "out"
    found = write_report(cells, register=path, claims=None, out=out, command="polyreel study toy.yaml")
    assert not found.findings.answers
    for name in ("index.md", "report.html"):
        page = (out / name).read_text(encoding="utf-8")
        assert "It decides nothing" in page
        assert "VC − C" in page
        assert "The answers" not in page
    again = write_report(cells, register=path, claims=None, out=out, command="polyreel study toy.yaml")
    assert again.was_there


def test_again_there_is_nothing_to_do(
    report: StudyReport, cells: StudyCells, register: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(report.files[0].parent, tmp_path / "moved")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = write(cells, register, folder)
    assert again.was_there
    assert again.claims == report.claims
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    (folder / "index.md").write_text("damaged", encoding="utf-8")
    assert not write(cells, register, folder).was_there
    assert (folder / "index.md").read_bytes() == (report.files[0].parent / "index.md").read_bytes()


def test_a_register_that_was_changed_after_the_first_cell_is_said_to_be(tmp_path: Path) -> None:
    register = EXAMPLE / "register.yaml"
    cells = read_rank_table(EXAMPLE / "ranks.csv", register_sha256=register_sha256(register))
    out = tmp_path / "out"
    found = write_report(cells, register=register, claims=None, out=out, command="")
    assert found.findings.registered
    changed = tmp_path / "register.yaml"
    changed.write_text(register.read_text("utf-8").replace("least: 2", "least: 1"), encoding="utf-8")
    found = write_report(cells, register=changed, claims=None, out=out, command="")
    assert not found.findings.registered
    assert not found.was_there
    assert "Not registered: 6 of 6 cells" in (out / "report.html").read_text(encoding="utf-8")


def test_claims_name_questions_or_say_why_not(tmp_path: Path) -> None:
    rules = read_register(STUDIES / "mmp" / "register.yaml")
    path = tmp_path / "claims.yaml"
    claims = [
        {"number": 1, "sentence": "a", "questions": ["P7"]},
        {"number": 1, "sentence": "b", "kind": "history", "why": "old"},
    ]
    path.write_text(yaml.safe_dump({"claims": claims}), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"(?s)number 1 comes twice.*no question has this name: 'P7'"):
        read_claims(path, rules)
    for wrong in ({"kind": "history"}, {}, {"kind": "definition", "why": "x", "questions": ["P1"]}):
        with pytest.raises(ValueError, match="why"):
            ClaimSpec.model_validate({"number": 1, "sentence": "a", **wrong})


class TestOwnRanks:
    def test_the_example_is_judged(self, tmp_path: Path) -> None:
        cells = read_rank_table(EXAMPLE / "ranks.csv")
        assert {(cell.arm, cell.seed) for cell in cells.cells} == {
            (arm, seed) for arm in ("old", "new") for seed in range(3)
        }
        found = write_report(
            cells,
            register=EXAMPLE / "register.yaml",
            claims=None,
            out=tmp_path,
            command="polyreel study x.csv",
        )
        assert [answer.verdict for answer in found.findings.answers] == ["supported", "supported"]
        assert not found.findings.registered
        assert found.findings.answers[0].contrasts[0].sources == 36

    def test_ranks_survive_the_table(self, tmp_path: Path) -> None:
        lines = (EXAMPLE / "ranks.csv").read_text(encoding="utf-8").splitlines()
        first = read_rank_table(EXAMPLE / "ranks.csv")
        assert sum(len(task.ranks) for cell in first.cells for task in cell.ranks) == len(lines) - 1
        plain = ["setting,encoder,arm,seed,query,query_language,gallery_language,gallery,rank"]
        plain.append("s,e,a,0,q,en,de,10,2.5")
        path = tmp_path / "plain.csv"
        path.write_text("\n".join(plain), encoding="utf-8")
        cells = read_rank_table(path)
        (task,) = cells.cells[0].ranks
        assert (task.task, task.ranks) == ("text to text", (2.5,))
        assert cells.queries[task.queries].sources == ("q",)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("s,e,a,0,q,en,de,10,11", "line 3: rank '11' is not between 1 and the gallery of 10"),
            ("s,e,a,0,q,en,de,10,nan", "line 3: rank 'nan'"),
            ("s,e,a,x,q,en,de,10,1", "line 3: seed 'x' is not a whole number"),
            ("s,e,a,0,q,en,de,0,1", "line 3: gallery '0'"),
            ("s,e,,0,q,en,de,10,1", "line 3: arm is empty"),
            ("s,e,a,0,q,en,de,10", "line 3: it has more or fewer fields"),
            ("s,e,a,0,q,en,de,10,1,9", "line 3: it has more or fewer fields"),
            ("s,e,a,0,p,en,de,10,1", "line 3: query 'p' comes twice"),
        ],
    )
    def test_wrong_lines_are_named(self, line: str, message: str, tmp_path: Path) -> None:
        head = "setting,encoder,arm,seed,query,query_language,gallery_language,gallery,rank"
        path = tmp_path / "ranks.csv"
        path.write_text("\n".join([head, "s,e,a,0,p,en,de,10,1", line]), encoding="utf-8")
        with pytest.raises(ResultError, match=message):
            read_rank_table(path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "missing: setting"),
            (
                b"setting,encoder,arm,seed,query,query_language,gallery_language,gallery,rank,best\n",
                "unknown: best",
            ),
            (b"setting,encoder,arm,seed,query,query_language,gallery_language,gallery,rank\n", "no line"),
            (b"\xff\xfe\x00", "cannot be read"),
            (gzip.compress(b"a", mtime=0), "cannot be read"),
        ],
    )
    def test_what_is_no_table_is_refused(self, content: bytes, message: str, tmp_path: Path) -> None:
        path = tmp_path / "ranks.csv"
        path.write_bytes(content)
        with pytest.raises(ResultError, match=message):
            read_rank_table(path)
        with pytest.raises(ResultError, match="cannot be read"):
            read_rank_table(tmp_path / "nothing.csv")
