"""``polyreel data codeswitch``: what code-switched captions look like, and how much of them is switched."""

from __future__ import annotations

import contextlib
import json as json_module
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators
from rich.table import Table

from polyreel.cli.options import AskedPath, Json, absolute
from polyreel.cli.output import print_json, show_progress, stderr, stdout
from polyreel.errors import DatasetError, UsageError
from polyreel.files import new_file

if TYPE_CHECKING:
    from polyreel.codeswitch.rates import Rate
    from polyreel.codeswitch.switching import CodeSwitcher, Switched
    from polyreel.problems import Problems

__all__ = ["codeswitch"]

_SAMPLE = 20_000
_PROBLEMS_SHOWN = 3

_Share = validators.Number(gte=0, lte=1)


def codeswitch(
    *,
    captions: AskedPath,
    lexicons: AskedPath,
    languages: str,
    p: Annotated[float, Parameter(validator=_Share)] = 0.5,
    mode: str = "bilingual",
    equalise: Annotated[bool, Parameter(negative="")] = False,
    rate: Annotated[float | None, Parameter(validator=_Share)] = None,
    lemmas: bool = True,
    romanised: Annotated[float, Parameter(validator=_Share)] = 0.0,
    seed: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 0,
    epoch: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 0,
    show: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 10,
    out: AskedPath | None = None,
    json: Json = False,
) -> int:
    """Switch words of captions into other languages, and measure how many; training does the same on the fly.

    Example: polyreel data codeswitch --captions a.jsonl --lexicons lexicons --languages de,sw --show 20

    Args:
        captions: English captions: a .txt with one a line, or a .jsonl of texts or {"text": ..}.
        lexicons: Folder of lexicons such as en-de.tsv.gz.
        languages: Languages to switch into, with commas: de,sw.
        p: Probability that a word with a translation is switched.
        mode: bilingual: one language for each text. multilingual: one for each word.
        equalise: Switch the same share of all words into every language: the highest.
        rate: Switch this share of all words into every language.
        lemmas: Look words that a lexicon lacks up by lemma: dogs by dog.
        romanised: Share of texts with sobaka for собака.
        seed: Seed of what is drawn.
        epoch: Pass over the data.
        show: How many captions to print.
        out: Write all captions here: texts to .txt, texts and counts to .jsonl.
    """
    from polyreel.codeswitch.lexicons import load_lexicons
    from polyreel.codeswitch.switching import CodeSwitcher, SwitchRule
    from polyreel.problems import Problems

    rule = SwitchRule(mode=mode, p=p, lemmas=lemmas, romanised=romanised)
    target = _require_target(out, captions) if out else None
    problems = Problems()
    texts, others = _read(absolute(captions), problems)
    wanted = [part.strip() for part in languages.split(",") if part.strip()]
    with show_progress() as progress:
        progress("reading lexicons", 0, None)
        loaded = load_lexicons(absolute(lexicons), wanted, problems=problems)
    switcher = CodeSwitcher(loaded, rule, seed=seed)
    sample = [text for _, text in texts[:: max(1, len(texts) // _SAMPLE)]]
    coverage = switcher.coverage(sample)
    if equalise or rate is not None:
        switcher = switcher.equalised(sample, rate=rate)
    examples: list[tuple[str, Switched]] = []
    with show_progress() as progress, _writer(target) as write:
        for done, (number, text) in enumerate(texts):
            progress("switching", done, len(texts))
            switched = switcher.switch(text, key=number, epoch=epoch)
            write(_line(text, switched))
            if len(examples) < show:
                examples.append((text, switched))
    if json:
        print_json(_document(switcher, coverage, examples, problems, captions=len(texts), others=others))
        return 0
    for text, switched in examples:
        label = "+".join(switched.switched) or "-"
        stdout.print(f"{switcher.source:>6}  {text}", markup=False, soft_wrap=True, style="dim")
        stdout.print(f"{label:>6}  {switched.text}\n", markup=False, soft_wrap=True)
    stdout.print(_rate_table(switcher, coverage))
    stdout.print(f"\n{len(texts):,} captions, {mode}, seed {seed}, epoch {epoch}.")
    if others:
        stdout.print(f"{others:,} captions in other languages than {switcher.source} were left out.")
    if target:
        stdout.print(f"Written to {target}", markup=False, soft_wrap=True)
    _print_problems(problems)
    return 0


def _require_target(out: Path, captions: Path) -> Path:
    target = absolute(out)
    if target.resolve() == absolute(captions).resolve():
        raise UsageError("--out would overwrite the captions", item=out, remedy="Name another file")
    if not {".txt", ".jsonl"} & {target.suffix}:
        raise UsageError("--out names no .txt or .jsonl", item=out, remedy="End the name in one of them")
    if not target.parent.is_dir():
        raise UsageError("--out names a folder that is not there", item=target.parent, remedy="Make it first")
    return target


def _read(path: Path, problems: Problems) -> tuple[list[tuple[int, str]], int]:
    """Line numbers and texts of the English captions, and the number of others."""
    from polyreel.datasets.readers.caption_lines import read_caption_lines

    found = list(read_caption_lines(path, problems))
    texts = [(number, text) for number, text, language in found if language.partition("-")[0] == "en"]
    if not texts:
        raise DatasetError(
            "there is no English caption",
            item=path,
            value=problems.examples[0] if problems.examples else f"{len(found):,} in other languages",
            remedy='Give a text a line, or objects such as {"text": "a dog runs", "language": "en"}',
        )
    return texts, len(found) - len(texts)


@contextlib.contextmanager
def _writer(target: Path | None) -> Iterator[Any]:
    """A function that writes a line; the file appears when all are written."""
    if target is None:
        yield lambda line: None
        return
    text_only = target.suffix == ".txt"
    with new_file(target) as file:
        yield lambda line: file.write(
            f"{line['text'] if text_only else json_module.dumps(line, ensure_ascii=False)}\n".encode()
        )


def _line(source_text: str, switched: Switched) -> dict[str, Any]:
    return {
        "text": switched.text,
        "source_text": source_text,
        "words": switched.words,
        "switched": switched.switched,
    }


def _document(
    switcher: CodeSwitcher,
    coverage: dict[str, float],
    examples: list[tuple[str, Switched]],
    problems: Problems,
    *,
    captions: int,
    others: int,
) -> dict[str, Any]:
    return {
        "captions": captions,
        "left_out_languages": others,
        "mode": switcher.rule.mode,
        "seed": switcher.seed,
        "rates": {
            language: _rate_document(rate)
            | {"p": switcher.rule.p_of(language), "coverage": coverage[language]}
            for language, rate in switcher.report().items()
        },
        "examples": [_line(text, switched) for text, switched in examples],
        "left_out_lines": dict(problems.counts),
        "left_out_examples": [str(problem) for problem in problems.examples],
    }


def _rate_document(rate: Rate) -> dict[str, Any]:
    return {
        "words": rate.words,
        "eligible": rate.eligible,
        "switched": rate.switched,
        "by_lemma": rate.by_lemma,
        "of_words": rate.of_words,
        "of_eligible": rate.of_eligible,
    }


def _rate_table(switcher: CodeSwitcher, coverage: dict[str, float]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("language")
    for column in ("words", "have a translation", "p", "switched", "of all words", "by lemma"):
        table.add_column(column, justify="right")
    for language, rate in switcher.report().items():
        table.add_row(
            language,
            f"{rate.words:,.0f}",
            f"{coverage[language]:.1%}",
            f"{switcher.rule.p_of(language):.3f}",
            f"{rate.switched:,}",
            f"{rate.of_words:.1%}",
            f"{rate.by_lemma / rate.switched:.1%}" if rate.switched else "-",
        )
    return table


def _print_problems(problems: Problems) -> None:
    for what, count in problems.counts.items():
        stderr.print(f"left out: {count:,} times, {what}", style="yellow", markup=False, soft_wrap=True)
        first = [problem for problem in problems.examples if problem.what == what][:_PROBLEMS_SHOWN]
        for problem in first:
            stderr.print(f"    {problem.item} ({problem.value})", markup=False, soft_wrap=True)
