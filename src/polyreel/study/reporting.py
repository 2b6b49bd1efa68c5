"""Judge the ranks of a study by its register, and write what that says."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from polyreel.errors import UsageError
from polyreel.files import write_atomically
from polyreel.study.findings import Findings, find
from polyreel.study.ledger import Claim, judge_claims, read_claims
from polyreel.study.presenting import markdown_page, render_study
from polyreel.study.recipe_facts import RecipeFacts
from polyreel.study.register import read_register, register_sha256
from polyreel.study.results import StudyCells

__all__ = ["StudyReport", "write_report"]

_FINDINGS, _CLAIMS, _REPORT, _PAGE, _FIGURES = (
    "findings.json",
    "claims.json",
    "report.html",
    "index.md",
    "figures",
)
_CLAIM_LIST = TypeAdapter(tuple[Claim, ...])


@dataclass(frozen=True, slots=True)
class StudyReport:
    """What was written.

    Attributes:
        findings: all figures and answers.
        claims: the ledger.
        was_there: whether the folder held all of it already.
        files: for people, the first to open first.
    """

    findings: Findings
    claims: tuple[Claim, ...]
    was_there: bool
    files: tuple[Path, ...]


def write_report(
    cells: StudyCells,
    *,
    register: Path,
    claims: Path | None,
    out: Path,
    command: str,
    facts: RecipeFacts | None = None,
) -> StudyReport:
    """Judge the cells and write ``report.html``, ``index.md``, ``findings.json`` and ``claims.json``.

    Where the same cells were judged under the same register, nothing is computed again.

    Args:
        cells: Of a study, or of results of one's own.
        register: YAML file of questions and rules.
        claims: YAML file of the ledger; None for none.
        out: Folder, made if it is not there.
        command: That does this, for the pages.
        facts: What the study's recipe says; None where only ranks are judged.

    Raises:
        RecipeError: the register or the claims have mistakes.
        ResultError: cells contradict each other.
        UsageError: the folder cannot be written, or packages are missing.
    """
    facts = facts or RecipeFacts()
    rules, sha256 = read_register(register), register_sha256(register)
    listed = () if claims is None else read_claims(claims, rules)
    digest = hashlib.sha256(cells.model_dump_json().encode()).hexdigest()
    files = tuple(out / name for name in (_REPORT, _PAGE, _FINDINGS, _CLAIMS))
    there = _findings_there(out)
    if there is not None and (there.register_sha256, there.cells_sha256) == (sha256, digest):
        findings = there.model_copy(
            update={"origins": facts.origins, "shortened": facts.shortened, "limits": facts.limits}
        )
    else:
        findings = find(
            cells,
            rules,
            sha256=sha256,
            cells_sha256=digest,
            command=command,
            made_with=_versions(),
            facts=facts,
        )
    judged = judge_claims(listed, findings)
    if _is_written(out, findings, judged):
        return StudyReport(findings, judged, True, files)
    try:
        _write(out, findings, judged)
    except OSError as error:
        raise UsageError(
            "the report cannot be written",
            item=out,
            value=error.strerror,
            remedy="Free some space or choose another folder, then give the same command again",
        ) from error
    return StudyReport(findings, judged, False, files)


def _findings_there(out: Path) -> Findings | None:
    try:
        return Findings.model_validate_json((out / _FINDINGS).read_bytes())
    except (OSError, ValidationError):
        return None


def _is_written(out: Path, findings: Findings, claims: tuple[Claim, ...]) -> bool:
    try:
        ledger = _CLAIM_LIST.validate_json((out / _CLAIMS).read_bytes())
        page = (out / _PAGE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return (
        (out / _REPORT).is_file()
        and _findings_there(out) == findings
        and ledger == claims
        and page == markdown_page(findings, claims)
    )


def _write(out: Path, findings: Findings, claims: tuple[Claim, ...]) -> None:
    """All files; the findings come last, since with them the report counts as written."""
    page = render_study(findings, claims)
    (out / _FIGURES).mkdir(parents=True, exist_ok=True)
    for name, data in page.figures.items():
        _put(out / _FIGURES / f"{name}.json", json.dumps(data, ensure_ascii=False, indent=1))
    _put(out / _REPORT, page.html.rstrip("\n"))
    _put(out / _PAGE, markdown_page(findings, claims).rstrip("\n"))
    _put(out / _CLAIMS, _CLAIM_LIST.dump_json(claims, indent=1).decode())
    _put(out / _FINDINGS, findings.model_dump_json(exclude_defaults=True))


def _put(path: Path, text: str) -> None:
    write_atomically(path, (text + "\n").encode())


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in ("polyreel", "numpy")}
