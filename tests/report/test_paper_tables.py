"""Tables for papers: figures, what is bold, and special characters."""

from __future__ import annotations

import re

from made_up import make_card, make_result

from polyreel.evaluation.results import MissingItem
from polyreel.report.report import make_report


def test_markdown() -> None:
    text = make_report([make_result(skill=0.3), make_result("large", skill=0.7, seed=1)], "markdown")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == "|  | small (00000000) | large (00000001) |"
    assert rows[1] == "|:---|---:|---:|"
    english = re.fullmatch(
        r"\| en \| (\S+) \\\[(\S+), (\S+)\\\] \| \*\*(\S+)\*\* \\\[(\S+), (\S+)\\\] \|", rows[2]
    )
    assert english is not None
    small, low, high, large, *_ = map(float, english.groups())
    assert low < small < high
    assert small < large
    assert any(row.startswith("| gap |") for row in rows)
    assert any(re.match(r"\| mean \| .* \| \\< 0\.001 \|$", row) for row in rows)
    assert "Queries in de are machine-translated." in text
    assert len({row.count("|") for row in rows[:8]}) == 1


def test_lower_ranks_are_better() -> None:
    better = make_result("large", seed=1)
    better = better.model_copy(
        update={
            "macro": dict(better.macro)
            | {"median_rank": better.macro["median_rank"].model_copy(update={"value": 1.0})}
        }
    )
    text = make_report([make_result(), better], "markdown")
    row = next(line for line in text.splitlines() if line.startswith("| large") and line.count("|") == 7)
    assert "| **1.0** |" in row


def test_equal_figures_are_not_bold() -> None:
    assert "**" not in make_report([make_result(), make_result()], "markdown")
    assert "**" not in make_report([make_result()], "markdown")


def test_markdown_specials_and_new_lines_stay_text() -> None:
    card = make_card("a|b", split="c")
    text = make_report([make_result("x|y\n# <img src=x> `z` [l](u) *s* _t_", card=card)], "markdown")
    assert r"x\|y \# \<img src=x\> \`z\` \[l\](u) \*s\* \_t\_" in text
    assert "<img" not in text.replace(r"\<img", "")
    assert r"a\|b" in text


def test_latex() -> None:
    text = make_report([make_result(skill=0.3), make_result("large", skill=0.7, seed=1)], "latex")
    assert r"\usepackage{booktabs}" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    assert text.count(r"\begin{tabular}{lrr}") == 1
    assert re.search(
        r"^en & [\d.]+ \{\\scriptsize \[[\d., ]+\]\} & \\textbf\{[\d.]+\} \{\\scriptsize \[.*\]\} \\\\$",
        text,
        re.MULTILINE,
    )
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert rule in text
    assert "{made-up-languages}" not in text
    assert r"\label{tab:made-up-languages}" in text


def test_latex_specials_stay_text() -> None:
    name = r"50% & $x_1$ #2 {a} \input{/etc/passwd} ~^ <b> -- |"
    text = make_report([make_result(name, card=make_card(r"c\d}\evil"))], "latex")
    assert (
        r"50\% \& \$x\_1\$ \#2 \{a\} \textbackslash{}input\{/etc/passwd\} "
        r"\textasciitilde{}\textasciicircum{} \textless{}b\textgreater{} -{}- \textbar{}"
    ) in text
    assert r"\input" not in text.replace(r"\textbackslash{}input", "")
    assert r"\label{tab:c-d-evil-languages}" in text


def test_a_row_that_opens_with_a_bracket_is_not_an_option_of_the_line_before() -> None:
    text = make_report([make_result("[2ex]"), make_result("*")], "latex")
    assert "\n{}[2ex] (00000000)" in text
    assert "\n{}* (00000000)" in text


def test_tricks_missing_items_and_what_is_not_compared_are_said() -> None:
    tricky = make_result(
        "tricky", options={"dual softmax": "temperature 0.05"}, missing=[MissingItem(id="a", reason="gone")]
    )
    for form in ("markdown", "latex"):
        text = make_report([make_result(), tricky], form)  # type: ignore[arg-type]
        assert "Transductive: dual softmax (temperature 0.05)" in text
        assert "Missing items: tricky (00000000) + dual softmax 1." in text
        assert "Not compared: small (00000000) and tricky (00000000) + dual softmax: options" in text


def test_x_mnli_is_led_by_its_accuracy() -> None:
    text = make_report([make_result(card=make_card("xnli"), accuracy=True)], "markdown")
    assert text.splitlines()[2].startswith("accuracy@1 in % on xnli")
    assert r"| en | 61.5 \[58.0, 65.0\] |" in text
    assert "|  | accuracy@1 | triplet | R@1 | R@5 | R@10 | median rank | MRR |" in text
