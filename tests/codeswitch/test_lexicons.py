"""Lexicons in every format become heads with translations, and what is no entry is named."""

from __future__ import annotations

import base64
import gzip

import pytest

from polyreel.codeswitch import lexicons
from polyreel.codeswitch.lexicon_formats import LEXICON_FORMATS, detect_format
from polyreel.codeswitch.lexicons import fold, load_lexicons, read_lexicon, require_lexicons
from polyreel.errors import DatasetError, UnknownNameError, UsageError
from polyreel.problems import Problems

TSV = "dog\tHund\t3\ndog\tKöter\t1\nrun\tlaufen\nswimming-pool\tSchwimmbad\t2\n"
MUSE = "dog Hund\nrun\tlaufen\ncat Katze\n"
CEDICT = """# CC-CEDICT
#! version=1
狗 狗 [gou3] /dog/CL:隻|只[zhi1],條|条[tiao2]/
跑 跑 [pao3] /to run/to run away; to escape (from a place)/
貓 猫 [mao1] /cat/(dialect) to hide oneself/variant of 猫[mao1]/
"""
TEI = """<?xml version="1.0" encoding="UTF-8"?>
<TEI xmlns="http://www.tei-c.org/ns/1.0"><text><body>
<entry><form><orth>dog</orth></form><sense><cit type="trans"><quote>Hund</quote></cit>
<cit type="example"><quote>a dog barks</quote></cit></sense></entry>
<entry><form><orth>run</orth></form><sense><cit type="trans"><quote>laufen</quote><quote>rennen</quote></cit>
</sense></entry></body></text></TEI>
"""
ENTRIES = (
    ("00-database-info", "00-database-info\nall about it\n"),
    ("dog", 'dog /dˈɒɡ/ <n>\nHund <masc>, Köter <masc> [derog.]\n      "every dog" - jeder Hund\n'),
    (
        "run",
        "run /ɹˈʌn/ <v>\n1. laufen <v>, rennen\n2. (a shop) betreiben\n   Synonym: {jog}\n see: {runs}\n",
    ),
)


def dictd(folder, name="freedict-eng-deu", *, entries=ENTRIES):
    """A dictionary as dictd keeps it; its offsets are numbers in base 64."""
    index, text = [], b""
    for head, entry in entries:
        data = entry.encode()
        index.append("\t".join([head, in_base64(len(text)), in_base64(len(data))]))
        text += data
    (folder / f"{name}.dict.dz").write_bytes(gzip.compress(text))
    path = folder / f"{name}.index"
    path.write_text("\n".join(index) + "\n", encoding="utf-8")
    return path


def in_base64(number):
    """Big-endian, six bits a letter, as ``base64`` writes three bytes."""
    return base64.b64encode(number.to_bytes(3, "big")).decode().lstrip("A") or "A"


def write(folder, name, text):
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def read(path, language="de", **options):
    problems = Problems()
    return dict(read_lexicon(path, language, problems=problems, **options).entries), problems


@pytest.mark.parametrize("name", ["en-de.tsv", "en-de.tsv.gz"])
def test_a_table_gives_the_translation_with_most_agreement_first(tmp_path, name):
    entries, problems = read(write(tmp_path, name, "dog\tKöter\t1\n" + TSV))
    assert entries == {
        "dog": ("Hund", "Köter"),
        "run": ("laufen",),
        "swimming pool": ("Schwimmbad",),
    }
    assert not problems.examples


def test_equal_weights_put_agreeing_spellings_then_few_words_then_short_ones_first(tmp_path):
    black = "black\tMohr\nblack\tstockfinster\nblack\tSchwarz\nblack\tschwarz\n"
    sea = "sea\tdas Meer\nsea\tOzean\nsea\tSee\n"
    entries, _ = read(write(tmp_path, "en-de.tsv", black + sea))
    assert entries["black"] == ("schwarz", "Schwarz", "Mohr", "stockfinster")
    assert entries["sea"] == ("See", "Ozean", "das Meer")


def test_muse(tmp_path):
    path = write(tmp_path, "en-de.txt", MUSE + "a dog Hund\n")
    entries, problems = read(path)
    assert detect_format(path) == "muse"
    assert entries == {"dog": ("Hund",), "run": ("laufen",), "cat": ("Katze",)}
    assert str(problems.examples[0]) == f"a line has not two words: {path}, line 4 ('a dog Hund')."


def test_cedict_is_turned_round(tmp_path):
    entries, problems = read(write(tmp_path, "cedict_ts.u8", CEDICT + "狗 gou3 dog\n"), "zh")
    assert entries["dog"] == ("狗",)
    assert entries["to run"] == ("跑",)
    assert entries["to escape"] == ("跑",)
    assert not any("variant" in head or "CL:" in head for head in entries)
    assert str(problems.examples[0].item).endswith("line 6")


def test_dictd(tmp_path):
    entries, problems = read(dictd(tmp_path))
    assert entries == {"dog": ("Hund", "Köter"), "run": ("laufen", "rennen", "betreiben")}
    assert not problems.examples


def test_dictd_with_offsets_beyond_the_text_keeps_the_rest(tmp_path):
    path = dictd(tmp_path)
    path.write_text(path.read_text() + "cat\t//\tQ\nno offset\n")
    entries, problems = read(path)
    assert set(entries) == {"dog", "run"}
    assert len(problems) == 2
    assert "'cat'" in str(problems.examples[1])


def test_dictd_without_its_text(tmp_path):
    path = dictd(tmp_path)
    path.with_suffix(".dict.dz").unlink()
    with pytest.raises(DatasetError, match=r"without its \.dict"):
        read(path, format="dictd")


def test_tei(tmp_path):
    entries, _ = read(write(tmp_path, "eng-deu.tei", TEI))
    assert entries == {"dog": ("Hund",), "run": ("laufen", "rennen")}
    with pytest.raises(DatasetError, match="no XML"):
        read(write(tmp_path, "eng-deu.tei", TEI[:200]))


def test_each_format_is_told_by_its_content(tmp_path):
    contents = {"cedict": CEDICT, "muse": MUSE, "tei": TEI, "tsv": TSV}
    told = {name: detect_format(write(tmp_path, name, text)) for name, text in contents.items()}
    told["dictd"] = detect_format(dictd(tmp_path))
    assert told == {name: name for name in LEXICON_FORMATS}


@pytest.mark.parametrize(
    "content", ["", "\n\n", "just some prose about dogs and cats\nand more of it\n", b"\xff\xfe\x00"]
)
def test_what_is_no_lexicon_is_refused(tmp_path, content):
    with pytest.raises(DatasetError, match=r"looks like no lexicon.*Known formats"):
        read(write(tmp_path, "en-de.tsv", content))


def test_a_format_can_be_forced_and_must_exist(tmp_path):
    path = write(tmp_path, "en-de.tsv", "ice cream\tEis\n")
    assert read(path, format="tsv")[0] == {"ice cream": ("Eis",)}
    with pytest.raises(UnknownNameError, match="Did you mean 'tsv'"):
        read(path, format="tvs")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("\tHund\t1", "a row has no head"),
        ("hound\t\t1", "a row has no translation"),
        ("hound\tHund\tmany", "the third column is no number above 0"),
        ("hound\tHund\t-1", "the third column is no number above 0"),
        ("hound\tHund\tnan", "the third column is no number above 0"),
        ("hound", "a line has no second column"),
        ("hound\tHund|it=cane\t1", "a translation has mark-up in it"),
        ("hound\tHund (großer\t1", "a translation has mark-up in it"),
        ("hound\tein Hund mit dem man jagt\t1", "a translation is an explanation"),
        ("hound\tсобака\t1", "a translation is not in the script of de"),
        (b"hound\tH\xfcnd\t1", "a line is not UTF-8"),
        ("hound\t" + "x" * 70_000, "a line is longer than 65,536 bytes"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_goes_on(tmp_path, line, why):
    data = line.encode() if isinstance(line, str) else line
    path = write(tmp_path, "en-de.tsv", b"dog\tHund\t1\n" + data + b"\ncat\tKatze\t1\nfox\tFuchs\t1\n")
    entries, problems = read(path)
    assert {"dog", "cat", "fox"} == set(entries)
    assert dict(problems.counts) == {why: 1}
    assert str(problems.examples[0].item) == f"{path}, line 2"


def test_byte_order_mark_and_line_ends_of_other_systems(tmp_path):
    entries, _ = read(write(tmp_path, "en-de.tsv", "\ufeffdog\tHund\r\ncat\tKatze\r\n"))
    assert entries == {"dog": ("Hund",), "cat": ("Katze",)}


def test_a_file_cut_short_is_an_error(tmp_path):
    path = write(tmp_path, "en-de.tsv.gz", "".join(f"word{n}\tWort{n * 7919}\n" for n in range(5_000)))
    path.write_bytes(path.read_bytes()[:-2_000])
    with pytest.raises(DatasetError, match=r"cannot be read.*en-de\.tsv\.gz"):
        read(path)


def test_heads_longer_than_an_expression_are_not_kept(tmp_path):
    entries, problems = read(write(tmp_path, "en-de.tsv", TSV + "the dog of the house\tHaushund\n"))
    assert "swimming pool" in entries
    assert not any("house" in head for head in entries)
    assert not problems.examples


@pytest.mark.parametrize(
    ("text", "folded"), [("Dog", "dog"), ("T-Shirt", "t shirt"), ("dog’s", "dog's"), (" a  b ", "a b")]
)
def test_fold(text, folded):
    assert fold(text) == folded


# Folders


def test_a_folder_gives_the_languages_asked_for_in_that_order(tmp_path):
    write(tmp_path, "en-de.tsv.gz", TSV)
    write(tmp_path, "en-zh.tsv", "dog\t狗\n")
    write(tmp_path, "de-en.tsv", "Hund\tdog\n")
    write(tmp_path, "README.md", "about dogs")
    loaded = load_lexicons(tmp_path, ["zh", "de"])
    assert list(loaded) == ["zh", "de"]
    assert loaded["zh"].entries == {"dog": ("狗",)}
    assert loaded["de"].source == "en"
    assert load_lexicons(tmp_path, ["en"], source="de")["en"].entries == {"hund": ("dog",)}


def test_several_files_of_a_language_become_one_in_which_agreement_counts(tmp_path):
    write(tmp_path, "en-de.tsv", "dog\tHund\ndog\tKöter\n")
    write(tmp_path, "en-de.0-5000.txt", "dog Köter\ncat Katze\nfox Fuchs\n")
    dictd(tmp_path, entries=[("dog", "dog\nRüde\n")])
    entries = load_lexicons(tmp_path, ["de"])["de"].entries
    assert entries["dog"] == ("Rüde", "Köter", "Hund")  # a first translation of freedict counts double
    assert entries["cat"] == ("Katze",)


def test_names_of_files_are_understood(tmp_path):
    dictd(tmp_path, "freedict-eng-swh", entries=[("dog", "dog\nmbwa\n")])
    write(tmp_path, "cedict_1_0_ts_utf-8_mdbg.txt.gz", CEDICT)
    loaded = load_lexicons(tmp_path, ["sw", "zh"])
    assert loaded["sw"].entries == {"dog": ("mbwa",)}
    assert loaded["zh"].entries["dog"] == ("狗",)


def test_what_is_asked_for_must_be_there(tmp_path):
    write(tmp_path, "en-de.tsv", TSV)
    with pytest.raises(DatasetError, match=r"no lexicon for a language.*\(sw\).*lexicons for: de"):
        load_lexicons(tmp_path, ["de", "sw"])
    with pytest.raises(DatasetError, match="folder of lexicons cannot be read"):
        load_lexicons(tmp_path / "none", ["de"])
    with pytest.raises(UsageError, match="not a language tag"):
        load_lexicons(tmp_path, ["klingonese"])
    for wanted in ([], ["en"]):
        with pytest.raises(UsageError, match="other languages than its source"):
            load_lexicons(tmp_path, wanted)


def test_the_shared_lexicons(shared_data):
    problems = Problems()
    loaded = load_lexicons(shared_data / "lexicons", ["sw", "vi"], problems=problems)
    assert "mbwa" in loaded["sw"].entries["dog"]
    assert loaded["vi"].entries["dog"] == ("chó",)
    assert problems.counts["a row has no head"] == 10
    assert "婦女" not in loaded["vi"].entries["woman"]


def test_whether_lexicons_are_there_is_known_before_they_are_read(tmp_path, monkeypatch):
    (tmp_path / "en-de.tsv").write_text("dog\tHund\n" + "cat\tKatze\n" * 5)
    (tmp_path / "en-fr.tsv").write_text("dog\t<b>chien</b>\n")
    read = []
    fault = lexicons._fault
    monkeypatch.setattr(lexicons, "_fault", lambda *row: read.append(row) or fault(*row))
    require_lexicons(tmp_path, ["de"])
    assert len(read) == 1
    with pytest.raises(DatasetError, match=r"no usable row: .*en-fr.tsv"):
        require_lexicons(tmp_path, ["de", "fr"])
    with pytest.raises(DatasetError, match=r"no lexicon for a language.*\(cs\)"):
        require_lexicons(tmp_path, ["de", "cs"])
