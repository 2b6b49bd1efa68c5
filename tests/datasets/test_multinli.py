import gzip

import pytest
from written import NFC, NFD, fails, write

from polyreel.datasets.readers.multinli import MULTINLI_PAIRS, ParallelNli, read_multinli
from polyreel.datasets.readers.xnli import read_xnli
from polyreel.errors import UnknownNameError
from polyreel.problems import Problems

HEADER = "premise\thypo\tlabel\n"
ENGLISH = HEADER + "A dog runs .\tAn animal moves .\tentailment\nA cat sits .\tA cat runs .\tcontradictory\n"
GERMAN = HEADER + "Ein Hund rennt .\tEin Tier bewegt sich .\tentailment\nEine Katze\tEine\tcontradictory\n"


def read(folder, **options) -> tuple[list[ParallelNli], Problems]:
    problems = Problems()
    return list(read_multinli(folder, problems, **options)), problems


def test_rows_of_all_languages_are_pairs(tmp_path):
    write(tmp_path, {"multinli.train.de.tsv.gz": GERMAN, "multinli.train.en.tsv": ENGLISH})
    pairs, problems = read(tmp_path)
    assert pairs[1] == ParallelNli(
        1, "contradiction", {"en": "A cat sits .", "de": "Eine Katze"}, {"en": "A cat runs .", "de": "Eine"}
    )
    assert [pair.label for pair in pairs] == ["entailment", "contradiction"]
    assert f"2, not {MULTINLI_PAIRS:,}" in str(problems.examples[0])
    assert [dict(pair.premise) for pair in read(tmp_path, languages=["de"])[0]] == [
        {"de": "Ein Hund rennt ."},
        {"de": "Eine Katze"},
    ]


def test_quotation_marks_line_ends_and_marks_are_text(tmp_path):
    stray = f'{HEADER}"Stop\x85 he\u2028said\t{NFD}\tneutral\n"\t" quoted "\tneutral'
    write(tmp_path, {"multinli.train.vi.tsv": b"\xef\xbb\xbf" + stray.replace("\n", "\r\n").encode()})
    pairs, _ = read(tmp_path)
    assert [(pair.premise["vi"], pair.hypothesis["vi"]) for pair in pairs] == [
        ('"Stop he said', NFC),
        ('"', '" quoted "'),
    ]


def test_an_empty_sentence_costs_its_language_only(tmp_path):
    write(
        tmp_path, {"multinli.train.en.tsv": ENGLISH, "multinli.train.de.tsv": GERMAN.replace("Eine\t", "\t")}
    )
    pairs, problems = read(tmp_path)
    assert set(pairs[1].premise) == set(pairs[1].hypothesis) == {"en"}
    assert "multinli.train.de.tsv, line 3" in str(problems.examples[0])


@pytest.mark.parametrize(
    ("german", "said"),
    [
        (GERMAN + "x\ty\tneutral\n", ["differ in length", "multinli.train.en.tsv", "ends after 2 pairs"]),
        (HEADER + "x\ty\tneutral\n", ["differ in a label", "multinli.train.de.tsv, line 2", "neutral, but"]),
        (HEADER + "x\ty\n", ["three columns", "line 2", "(2)"]),
        (HEADER + "x\ty\tmaybe\n", ["unknown label", "line 2", "maybe"]),
        ("sentence1\tsentence2\n", ["first line", "multinli.train.de.tsv"]),
        (b"\xff\xfe\x00", ["cannot be read", "multinli.train.de.tsv"]),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, german, said):
    write(tmp_path, {"multinli.train.en.tsv": ENGLISH, "multinli.train.de.tsv": german})
    fails(lambda: read(tmp_path), *said)


def test_a_packed_file_cut_short(tmp_path):
    write(tmp_path, {"multinli.train.en.tsv.gz": gzip.compress(ENGLISH.encode() * 99)[:-20]})
    packed = tmp_path / "multinli.train.en.tsv.gz"
    packed.write_bytes(gzip.compress(ENGLISH.encode())[:-12])
    fails(lambda: read(tmp_path), "cannot be read", packed)


def test_names_that_do_not_fit(tmp_path):
    fails(lambda: read(tmp_path), "there is no MultiNLI", "Put multinli.train.en.tsv")
    write(tmp_path, {"multinli.train.en.tsv": ENGLISH})
    fails(lambda: read(tmp_path, languages=["cs"]), "'cs'", kind=UnknownNameError)
    write(tmp_path, {"multinli.train.en.tsv.gz": ENGLISH})
    fails(lambda: read(tmp_path), "two files of one language")
    write(tmp_path / "other", {"multinli.train.xq.tsv": ENGLISH})
    fails(lambda: read(tmp_path / "other"), "unknown language code", "xq")


def test_the_real_files_are_aligned(shared_data):
    problems = Problems()
    pairs = list(read_multinli(shared_data / "multinli", problems))
    assert len(pairs) == 15_001
    assert set(pairs[0].premise) == {"en", "de", "fr", "cs", "zh", "vi", "sw", "es"}
    assert pairs[0].premise["en"].startswith("Conceptually cream skimming")
    assert {pair.label for pair in pairs} == {"entailment", "neutral", "contradiction"}
    assert problems.counts["another number of pairs than published"] == 1


def test_quotes_do_not_swallow_rows_of_xnli_either(tmp_path):
    """Python's csv would join everything up to the next quotation mark into one cell."""
    header = "language\tgold_label\tsentence1\tsentence2\tpromptID\tpairID\tgenre\n"
    rows = [
        f'{tag}\t{label}\t"He said {tag}\t{label} "\t{prompt}\t{prompt}{label}\tfiction\n'
        for tag in ("en", "zh")
        for prompt in ("1", "2")
        for label in ("entailment", "neutral", "contradiction")
    ]
    write(tmp_path, {"xnli.dev.tsv": header + "".join(rows)})
    premises = read_xnli(tmp_path)
    assert [premise.premise["zh"] for premise in premises] == ['"He said zh'] * 2
    assert premises[1].hypotheses["neutral"]["en"] == 'neutral "'
