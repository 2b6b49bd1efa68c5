"""Read Multi-HowTo100M: synthetic caption files in nine languages -> aligned clips, time and peak memory.

    python benchmarks/how2.py

Every language has the same number of captions, cut differently in every eighth place (two lines in one, or
one in two). The floor is Python's own JSON parser on the same files, one whole file at a time.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import time
from pathlib import Path

import common
from polyreel.datasets.how2.aligning import AlignmentReport, align_video
from polyreel.datasets.how2.building.filtering import filtered
from polyreel.datasets.how2.reader import How2Files, find_how2
from polyreel.languages import STUDY_LANGUAGES
from polyreel.problems import Problems

CAPTIONS = 1_000_000  # in all, over nine languages: the project's promise
QUICK_CAPTIONS = 45_000
LINES_PER_VIDEO = 110
JUDGED_VIDEOS = 20
WORDS = {
    "en": "now we cut the onion into small pieces and put them in a pan with oil",
    "de": "jetzt schneiden wir die Zwiebel in kleine Stücke und geben sie mit Öl in eine Pfanne",
    "fr": "maintenant on coupe l'oignon en petits morceaux et on les met à la poêle avec de l'huile",
    "cs": "teď nakrájíme cibuli na malé kousky a dáme je na pánev s trochou oleje",
    "zh": "现在 我们 把 洋葱 切成 小块 然后 放进 锅里 加 一点 油",
    "ru": "теперь мы режем лук на маленькие кусочки и кладём их на сковороду с маслом",
    "vi": "bây giờ chúng ta cắt hành tây thành miếng nhỏ rồi cho vào chảo với dầu",
    "sw": "sasa tunakata kitunguu vipande vidogo na kuviweka kwenye kikaango chenye mafuta",
    "es": "ahora cortamos la cebolla en trozos pequeños y los ponemos en una sartén con aceite",
}


def write_files(folder: Path, captions: int, seed: int) -> None:
    """Nine files, in the layout of the published ones: one JSON object in one line."""
    folder.mkdir(parents=True, exist_ok=True)
    videos = max(1, captions // LINES_PER_VIDEO // len(STUDY_LANGUAGES))
    for tag in STUDY_LANGUAGES:
        draw = random.Random(f"{seed}{tag}")
        words = WORDS[tag].split()
        with (folder / f"how2_{tag}.json").open("w", encoding="utf-8") as file:
            for video in range(videos):
                value = json.dumps(_video(draw, words, random.Random(video)), ensure_ascii=tag in "ru")
                file.write(f'{"{" if video == 0 else ", "}"{video:011d}": {value}')
            file.write("}")


def _video(draw: random.Random, words: list[str], clock: random.Random) -> dict[str, list[object]]:
    texts: list[object] = []
    starts: list[object] = []
    ends: list[object] = []
    now_s = 0.0
    for _ in range(LINES_PER_VIDEO):
        length_s = clock.uniform(1.5, 6.0)
        cut = draw.random()
        parts = 2 if cut < 1 / 16 else 1
        for part in range(parts):
            texts.append(" ".join(draw.choices(words, k=10 // parts)))
            starts.append(round(now_s + part * length_s / parts, 2))
            ends.append(round(now_s + (part + 1) * length_s / parts, 2))
        if cut > 15 / 16 and len(texts) > 1:  # this line and the one before are one here
            texts[-2:] = [f"{texts[-2]} {texts[-1]}"]
            ends[-2:] = ends[-1:]
            del starts[-1]
        now_s += length_s + clock.choice([0.0, 0.0, 0.4])
    return {"text": texts, "start": starts, "end": ends}


def read(folder: Path) -> dict[str, float]:
    """Read the files as ``polyreel data build how2`` does, up to the records; what it took."""
    began = time.perf_counter()
    problems, report = Problems(), AlignmentReport()
    files = How2Files(find_how2(folder, problems), problems)
    opened_s = time.perf_counter() - began
    files.detected()
    detected_s = time.perf_counter() - began - opened_s
    clips = sum(1 for video in files.videos() for _ in align_video(video, report))
    return {
        "open_s": opened_s,
        "detect_s": detected_s,
        "total_s": time.perf_counter() - began,
        "clips": clips,
        "captions": sum(language.lines for language in report.languages.values()),
        "coverage": min(report.coverage(tag) for tag in report.languages),
        "peak_mb": common.peak_mb(),
        "drop_s": _drop_s(files),
    }


def _drop_s(files: How2Files) -> float:
    """Seconds to judge a line: whether it is boiler-plate, and in which language it is."""
    videos = list(itertools.islice(files.videos(), JUDGED_VIDEOS))
    began = time.perf_counter()
    lines = 0
    for video in videos:
        for tag, track in video.tracks.items():
            filtered(track, tag)
            lines += len(track)
    return (time.perf_counter() - began) / lines


def parse_whole(folder: Path) -> dict[str, float]:
    """The floor: each file parsed whole by ``json``, nothing checked, nothing aligned."""
    began = time.perf_counter()
    for path in sorted(folder.glob("how2_*.json")):
        json.loads(path.read_bytes())
    return {"total_s": time.perf_counter() - began, "peak_mb": common.peak_mb()}


PARTS = {"read": read, "parse_whole": parse_whole}


def measured(part: str, folder: Path) -> dict[str, float]:
    """One part in a process of its own, so that peak memory is its own."""
    return dict(json.loads(common.run([sys.executable, __file__, "--part", part, "--folder", folder])))


def main() -> int:
    """Run and print."""
    parser = common.options(__doc__)
    parser.add_argument("--captions", type=int, default=CAPTIONS, help="in all nine languages together")
    parser.add_argument("--part", choices=PARTS, help="run one part in this process (used by the benchmark)")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments.folder)))
        return 0
    captions = QUICK_CAPTIONS if arguments.quick else arguments.captions
    folder = common.work_dir() / f"how2-{captions}-{arguments.seed}"
    if not folder.is_dir():
        making = folder.with_suffix(".partial")
        write_files(making, captions, arguments.seed)
        making.rename(folder)
    ours, floor = measured("read", folder), measured("parse_whole", folder)
    report = common.Report("how2", arguments)
    megabytes = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    report.note(
        f"{int(ours['captions']):,} captions in nine languages, {megabytes:,.0f} MB -> "
        f"{int(ours['clips']):,} clips; least coverage of the English lines {100 * ours['coverage']:.1f}%."
    )
    rows = [
        ["find the videos", ours["open_s"], ""],
        ["detect the languages", ours["detect_s"], ""],
        ["read, check and align: all", ours["total_s"], ours["peak_mb"]],
        ["floor: json.loads of each file", floor["total_s"], floor["peak_mb"]],
        ["ratio", ours["total_s"] / floor["total_s"], ours["peak_mb"] / floor["peak_mb"]],
        ["beside it: drop useless lines, per million", 1e6 * ours["drop_s"], ""],
    ]
    report.table("Time and memory", ["", "seconds", "peak MB"], rows)
    report.target("seconds", ours["total_s"], "<=", 60)
    report.target("peak memory in GB", ours["peak_mb"] / 1024, "<=", 1.5)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
