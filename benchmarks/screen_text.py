"""``python benchmarks/screen_text.py``: text on the screen against rapidocr with its defaults.

The same weights, PP-OCRv6 small, in two ways: as polyreel uses them, and as ``rapidocr`` does on one frame a
second of the same files. It has to be installed for that (``pip install rapidocr``); without it polyreel is
measured alone. Each runs in a process of its own with one thread, and is counted whole, decoding, start-up
and child processes included.

Recall: real clips that show no text of their own, cut together at 1,280 x 720, with captions drawn on them,
three seconds each and one second without: beginnings of NTREX sentences of up to 42 characters in each of the
nine languages, white with a black edge, 2.8%, 4% and 5.5% of the picture's height, at the bottom and at the
top. A caption is found if a line that is there at the same time has 80% of its letters, marks and case aside
(twice the matching letters by the letters of both).

False lines: the same clips without captions, and all that either of them reads there.
"""

from __future__ import annotations

import json
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from fractions import Fraction
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from common import Report, cost_of, interval, options, run, watching_memory
from demo_recall import fetched_clips
from polyreel.languages import STUDY_LANGUAGES, is_spaced
from polyreel.media.readers import frames
from research_data import ntrex

OURS, THEIRS = "polyreel", "rapidocr, 1 frame a second"
WIDTH_PX, HEIGHT_PX, FPS = 1280, 720, 10
SHOWN_S, AWAY_S = 3, 1
SHOT_S = 4
HEIGHTS = (0.028, 0.04, 0.055)
LONGEST_CHARS = 42
CAPTIONS = 15
FOUND = 0.8
# Looked through by eye: none of these shows a letter.
WITHOUT_TEXT = ("cockatoo", "diver", "kitteh", "lotus_dancing", "orange", "dancer", "world", "63e4b7867-04")
# What has the letters of these languages: DejaVu all but Chinese.
FONTS = {"zh": ("wqy-microhei.ttc", "NotoSansCJK-Regular.ttc"), "": ("DejaVuSans.ttf",)}


@dataclass(frozen=True, slots=True)
class Found:
    """A line that one of the two read, and the seconds at which it was there."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Caption:
    """What was drawn, from when on, at which height by that of the picture."""

    text: str
    start_s: float
    height: float


def main() -> int:
    """Make the films, have both read them, and compare."""
    parser = options(__doc__)
    parser.add_argument("--captions", type=int, default=CAPTIONS, help="for each language")
    parser.add_argument(
        "--reader", choices=("polyreel", "rapidocr"), help="read FILES and print what is there"
    )
    parser.add_argument("files", nargs="*", type=Path)
    arguments = parser.parse_args()
    if arguments.reader:
        read = read_ours if arguments.reader == "polyreel" else read_theirs
        print(json.dumps(measured(read, arguments.files)))
        return 0
    report = Report("text on the screen", arguments, ("rapidocr", "opencv-python-headless"))
    if find_spec("rapidocr") is None:
        report.note("rapidocr is not installed: polyreel is measured alone.")
    with tempfile.TemporaryDirectory() as folder:
        compare(report, Path(folder))
    return report.close()


def compare(report: Report, folder: Path) -> None:
    """Tables of recall, false lines and costs."""
    quick = report.arguments.quick
    shots = list(real_frames())
    captions = drawn_captions(report.arguments.seed, 1 if quick else report.arguments.captions)
    films = {tag: folder / f"{tag}.mp4" for tag in captions}
    for tag, path in films.items():
        write_film(path, shots, captions[tag], tag)
    plain = folder / "plain.mp4"
    write_film(plain, shots, [], "en")
    names = {OURS: "polyreel"} | ({THEIRS: "rapidocr"} if find_spec("rapidocr") else {})
    read = {name: in_a_process(reader, [*films.values(), plain]) for name, reader in names.items()}
    hits = {
        name: {
            tag: [is_found(caption, result["lines"][str(path)]) for caption in captions[tag]]
            for tag, path in films.items()
        }
        for name, result in read.items()
    }
    report.table(
        f"Captions found, percent of {len(next(iter(captions.values())))} a language",
        ["reader", *captions],
        [[name, *(100 * float(np.mean(each)) for each in by_tag.values())] for name, by_tag in hits.items()],
    )
    drawn = [caption for each in captions.values() for caption in each]
    report.table(
        "Captions found by their height, percent of all languages but Russian",
        ["reader", *(f"{100 * height:g}%" for height in HEIGHTS)],
        [[name, *by_height(captions, by_tag)] for name, by_tag in hits.items()],
    )
    seconds = {name: result["seconds"] for name, result in read.items()}
    report.table(
        f"{len(drawn)} captions in {seconds[OURS]:.0f} s of video",
        ["reader", "CPU s per s of video", "resident MB, and its decoder", "false lines per minute"],
        [
            [
                name,
                result["cpu_s"] / result["seconds"],
                " + ".join(f"{each:.0f}" for each in result["resident_mb"]),
                60 * len(result["lines"][str(plain)]) / (len(shots) / FPS),
            ]
            for name, result in read.items()
        ],
    )
    report.note(f"Read where nothing was drawn: {plain_texts(read, plain)}.")
    cost = read[OURS]["cpu_s"] / read[OURS]["seconds"]
    report.target("CPU s per second of video", cost, "<=", 0.15)
    if THEIRS in read:
        cheaper = read[THEIRS]["cpu_s"] / read[OURS]["cpu_s"]
        report.target("times less CPU than rapidocr", cheaper, ">=", 4.0)
        ours, theirs = (
            np.array([hit for each in hits[name].values() for hit in each]) for name in (OURS, THEIRS)
        )
        low, high = interval(ours[theirs].astype(float), report.arguments.seed)
        report.note(
            f"Of the {theirs.sum()} that rapidocr finds: 95% interval {100 * low:.1f} to {100 * high:.1f}."
        )
        report.target("percent found of what rapidocr finds", 100 * float(ours[theirs].mean()), ">=", 95.0)


def by_height(captions: dict[str, list[Caption]], hits: dict[str, list[bool]]) -> list[float]:
    """Percent found of each height."""
    pairs = [
        (caption.height, hit)
        for tag in captions
        if tag != "ru"
        for caption, hit in zip(captions[tag], hits[tag], strict=True)
    ]
    return [100 * float(np.mean([hit for at, hit in pairs if at == height])) for height in HEIGHTS]


def plain_texts(read: dict[str, Any], plain: Path) -> str:
    """What each reader found where nothing was drawn."""
    each = (
        f"{name} {[line['text'] for line in result['lines'][str(plain)]]}" for name, result in read.items()
    )
    return "; ".join(each)


def real_frames() -> Iterator[NDArray[np.uint8]]:
    """Pictures of clips without text, ``FPS`` a second, the first seconds of each clip."""
    _, files = fetched_clips(pypi_only=False)
    chosen = [file for name in WITHOUT_TEXT for file in files if name in file.name]
    for file in chosen:
        for frame in islice(frames(file, FPS, size=(WIDTH_PX, HEIGHT_PX)), SHOT_S * FPS):
            yield frame.image


def drawn_captions(seed: int, count: int) -> dict[str, list[Caption]]:
    """Beginnings of the same sentences in each language."""
    sentences = ntrex()
    rows = np.random.default_rng(seed).choice(len(sentences["en"]), count, replace=False)
    return {
        tag: [
            Caption(
                beginning(sentences[tag][row], tag), place * (SHOWN_S + AWAY_S), HEIGHTS[place % len(HEIGHTS)]
            )
            for place, row in enumerate(rows)
        ]
        for tag in STUDY_LANGUAGES
    }


def beginning(sentence: str, language: str) -> str:
    """As many whole words as fit on a line."""
    if not is_spaced(language):
        return sentence[: LONGEST_CHARS // 2]
    kept = sentence[: LONGEST_CHARS + 1]
    return sentence if len(sentence) <= LONGEST_CHARS else kept.rpartition(" ")[0]


def write_film(
    path: Path, shots: Sequence[NDArray[np.uint8]], captions: Sequence[Caption], language: str
) -> None:
    """The pictures over and over until the last caption has gone, with the captions drawn on them."""
    count = len(captions) * (SHOWN_S + AWAY_S) * FPS or len(shots)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for number in range(count):
            time_s = number / FPS
            shown = [each for each in captions if each.start_s <= time_s < each.start_s + SHOWN_S]
            picture = Image.fromarray(shots[number % len(shots)])
            for each in shown:
                draw(picture, each, language)
            frame = VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def draw(picture: Image.Image, caption: Caption, language: str) -> None:
    """A caption at the bottom, or every other one at the top."""
    px = round(caption.height * HEIGHT_PX)
    canvas, font = ImageDraw.Draw(picture), font_of(language, px)
    left = (WIDTH_PX - canvas.textlength(caption.text, font)) / 2
    top = 0.06 * HEIGHT_PX if caption.start_s % (2 * (SHOWN_S + AWAY_S)) else 0.88 * HEIGHT_PX
    edge = max(1, px // 14)
    canvas.text((left, top), caption.text, "white", font, stroke_width=edge, stroke_fill="black")


def font_of(language: str, px: int) -> ImageFont.FreeTypeFont:
    """A font that has the letters, of a height in pixels."""
    names = FONTS.get(language, FONTS[""])
    for name in names:
        try:
            return ImageFont.truetype(name, px)
        except OSError:
            continue
    raise SystemExit(f"none of the fonts {', '.join(names)} is installed")


def is_found(caption: Caption, lines: Sequence[dict[str, Any]]) -> bool:
    """Whether a line that is there at the same time reads like the caption."""
    wanted, end_s = folded(caption.text), caption.start_s + SHOWN_S
    return any(
        SequenceMatcher(None, wanted, folded(line["text"]), autojunk=False).ratio() >= FOUND
        for line in lines
        if line["start_s"] <= end_s and line["end_s"] >= caption.start_s
    )


def folded(text: str) -> str:
    """Letters and digits without marks, in lower case."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in apart if char.isalnum())


def in_a_process(reader: str, files: Sequence[Path]) -> dict[str, Any]:
    """What a reader finds in files, and what it took."""
    result: dict[str, Any] = json.loads(run([sys.executable, __file__, "--reader", reader, *files]))
    return result


def measured(read: Any, files: Sequence[Path]) -> dict[str, Any]:
    """The lines of each file, and the costs of all."""
    lines: dict[str, list[Found]] = {}
    seconds: list[float] = []

    def all_files() -> None:
        read_file = read()
        for file in files:
            lines[str(file)], length_s = read_file(file)
            seconds.append(length_s)

    with watching_memory() as peak:
        cost = cost_of(all_files)
    return {
        "lines": {name: [asdict(line) for line in each] for name, each in lines.items()},
        "seconds": sum(seconds),
        "cpu_s": cost.cpu_s,
        "resident_mb": (peak.own_mb, peak.descendants_mb),
    }


def read_ours() -> Any:
    """polyreel's reader."""
    from polyreel.recognition.screen.screen_text import ScreenText

    screen = ScreenText(threads=1)

    def read(file: Path) -> tuple[list[Found], float]:
        stretches = list(screen.recognise(file))
        found = [Found(each.text, each.start_s, each.end_s) for one in stretches for each in one.lines]
        return found, stretches[-1].until.time_s

    return read


def read_theirs() -> Any:
    """rapidocr's, as it comes, on one frame a second."""
    import logging

    from rapidocr import RapidOCR

    logging.disable(logging.WARNING)
    engine = RapidOCR(params={"EngineConfig.onnxruntime.intra_op_num_threads": 1})

    def read(file: Path) -> tuple[list[Found], float]:
        found, last_s = [], 0.0
        for frame in frames(file):
            last_s = frame.time_s
            result = engine(np.ascontiguousarray(frame.image[:, :, ::-1]))
            found += [Found(text, frame.time_s, frame.time_s + 1) for text in result.txts or ()]
        return found, last_s + 1

    return read


if __name__ == "__main__":
    sys.exit(main())
