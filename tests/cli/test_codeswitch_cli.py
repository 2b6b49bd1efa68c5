"""``polyreel data codeswitch`` from the command line."""

from __future__ import annotations

import json

import pytest

from polyreel.cli.app import main

CAPTIONS = ["a dog in the street", "two dogs run", "A street, a dog.", "the cat"]


@pytest.fixture
def folder(tmp_path):
    lexicons = tmp_path / "lexicons"
    lexicons.mkdir()
    (lexicons / "en-de.tsv").write_text("dog\tHund\nstreet\tStraße\nrun\tlaufen\n\tHorn\n", encoding="utf-8")
    (lexicons / "en-sw.tsv").write_text("dog\tmbwa\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in CAPTIONS))
    return tmp_path


def ask(capsys, folder, *arguments, captions="a.jsonl", languages="de,sw"):
    """Exit code, stdout and stderr."""
    code = main(
        [
            *("data", "codeswitch", "--captions", str(folder / captions), "--languages", languages),
            *("--lexicons", str(folder / "lexicons"), *map(str, arguments)),
        ]
    )
    said = capsys.readouterr()
    return code, said.out, said.err


def ask_json(capsys, folder, *arguments, **options):
    code, out, _ = ask(capsys, folder, *arguments, "--json", **options)
    return code, json.loads(out)


def test_captions_and_rates_are_shown(folder, capsys):
    code, out, err = ask(capsys, folder, "--p", 1, "--show", 2, languages="de")
    assert code == 0
    assert "    en  a dog in the street\n    de  a Hund in the Straße\n" in out
    assert "de  two Hund laufen" in out
    assert "A Straße" not in out
    assert "4 captions, bilingual, seed 0, epoch 0." in out
    assert "left out: 1 times, a row has no head" in err
    assert "en-de.tsv, line 4 (': Horn')" in err


def test_json_tells_the_rates(folder, capsys):
    code, document = ask_json(capsys, folder, "--p", 1, languages="de")
    assert code == 0
    assert document["rates"] == {
        "de": {
            **{"words": 14, "eligible": 6, "switched": 6, "by_lemma": 1, "of_eligible": 1.0},
            **{"of_words": 6 / 14, "p": 1.0, "coverage": 6 / 14},
        }
    }
    assert document["examples"][1] == {
        **{"text": "two Hund laufen", "source_text": "two dogs run", "words": 3, "switched": {"de": 2}}
    }
    assert document["left_out_lines"] == {"a row has no head": 1}


def test_lemmas_can_be_left_out(folder, capsys):
    _, document = ask_json(capsys, folder, "--p", 1, "--no-lemmas", languages="de")
    assert document["rates"]["de"]["switched"] == 5
    assert document["rates"]["de"]["by_lemma"] == 0


def test_the_same_seed_and_epoch_give_the_same(folder, capsys):
    def texts(*arguments):
        _, document = ask_json(capsys, folder, "--mode", "multilingual", *arguments)
        return [example["text"] for example in document["examples"]]

    assert texts() == texts("--seed", 0, "--epoch", 0)
    assert len({tuple(texts("--epoch", epoch)) for epoch in range(6)}) > 1
    assert len({tuple(texts("--seed", seed)) for seed in range(6)}) > 1


@pytest.mark.parametrize("option", [("--equalise",), ("--rate", "0.1")])
def test_equal_rates(folder, capsys, option):
    _, document = ask_json(capsys, folder, "--p", 1, *option)
    expected = {language: rate["p"] * rate["coverage"] for language, rate in document["rates"].items()}
    assert expected["de"] == pytest.approx(expected["sw"])
    assert expected["de"] == pytest.approx(0.1 if "--rate" in option else document["rates"]["sw"]["coverage"])


def test_a_rate_out_of_reach(folder, capsys):
    code, _, err = ask(capsys, folder, "--rate", 0.4)
    assert code == 2
    assert "too small for a rate of 0.400 of all words (sw reaches 0.214). Ask for at most 0.214" in err


def test_text_files_and_other_languages(folder, capsys):
    (folder / "b.txt").write_text("\ufeffa dog\r\n\r\ntwo dogs\r\n", encoding="utf-8")
    lines = ['"a dog"', '{"text": "ein Hund", "language": "de"}', '{"text": "a dog", "language": "en-US"}']
    (folder / "c.jsonl").write_text("\n".join(lines))
    assert ask_json(capsys, folder, captions="b.txt")[1]["captions"] == 2
    _, document = ask_json(capsys, folder, captions="c.jsonl")
    assert (document["captions"], document["left_out_languages"]) == (2, 1)


def test_bad_lines_are_named_and_the_rest_goes_on(folder, capsys):
    lines = [
        *('{"text": "a dog"}', "{broken", "7", '{"text": 7}', '{"text": " "}'),
        *('{"text": "a dog", "language": "klingonese"}', "[" * 100_000),
    ]
    (folder / "c.jsonl").write_bytes("\n".join(lines).encode() + b'\n"\xff"\n')
    code, document = ask_json(capsys, folder, captions="c.jsonl", languages="sw")
    assert (code, document["captions"]) == (0, 1)
    assert document["left_out_lines"] == {
        "a line is no JSON": 1,
        "a line is neither a text nor an object with one": 2,
        "a caption is empty": 1,
        "a caption's language is no tag": 1,
        "a line is longer than 65,536 bytes": 1,
        "a line is not UTF-8": 1,
    }
    assert any("c.jsonl, line 2" in message for message in document["left_out_examples"])


@pytest.mark.parametrize("name", ["out.jsonl", "out.txt"])
def test_all_captions_are_written(folder, capsys, name):
    code, out, _ = ask(capsys, folder, "--p", 1, "--out", folder / name, "--show", 0, languages="de")
    assert code == 0
    assert f"Written to {folder / name}" in out
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    if name.endswith(".txt"):
        assert lines == ["a Hund in the Straße", "two Hund laufen", "A Straße, a Hund.", "the cat"]
    else:
        assert json.loads(lines[0]) == {
            **{"text": "a Hund in the Straße", "source_text": CAPTIONS[0], "words": 5, "switched": {"de": 2}}
        }
    assert not list(folder.glob(".out*"))


@pytest.mark.parametrize(
    ("arguments", "options", "code", "message"),
    [
        ((), {"captions": "none.jsonl"}, 1, "the file cannot be read"),
        ((), {"languages": "fr"}, 1, "There are lexicons for: de, sw"),
        ((), {"languages": "xx"}, 2, "not a language tag"),
        ((), {"languages": ","}, 2, "Name the languages"),
        (("--mode", "trilingual"), {}, 2, "no code-switching mode has this name"),
        (("--p", "1.5"), {}, 2, "1.5"),
        (("--out", "a.jsonl"), {}, 2, "would overwrite the captions"),
        (("--out", "x.csv"), {}, 2, "End the name in one of them"),
        (("--out", "none/x.txt"), {}, 2, "a folder that is not there"),
    ],
)
def test_what_cannot_be_is_one_message(folder, capsys, monkeypatch, arguments, options, code, message):
    monkeypatch.chdir(folder)
    found, _, err = ask(capsys, folder, *arguments, **options)
    assert found == code
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_no_english_caption(folder, capsys):
    (folder / "c.jsonl").write_text('{"text": "ein Hund", "language": "de"}\n')
    code, _, err = ask(capsys, folder, captions="c.jsonl")
    assert code == 1
    assert "there is no English caption" in err
