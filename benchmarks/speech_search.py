"""``python benchmarks/speech_search.py``: what is said in English is found with queries in nine languages.

60 announcements of Debian's ``asterisk-core-sounds-en-wav`` are hidden in as many clips: each is the sound of
one, and the pictures are those of a demo clip, over and over until the announcement ends. ``polyreel index``
makes a library of them and hears them, without a word about their language. The queries, in
``data/spoken_queries.json``, were written for this: the announcement's translation in eight languages, and in
English another wording of it. Announcements that say the same as another were left out when the 60 were
chosen, before anything was searched; nothing was chosen on the results.

R@10: the share of queries that have the clip among the first ten of 60; by chance it would be 17%. It is
counted over lines of speech alone (``--in speech``) and over all that a search looks at by default, pictures
included. Intervals are over announcements.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image

from common import SKIPPED, Report, cell, options, polyreel, run
from demo_recall import fetched_clips
from polyreel.errors import PolyreelError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.search.search import Library
from polyreel.media.readers import frames
from polyreel.recognition.registry import has_speech
from speech import ARCHIVES, RATE, VOICES, fetched, sound_of

QUERIES = Path(__file__).parent / "data" / "spoken_queries.json"
SPOKEN = "en"
WIDTH_PX, FPS, SHOT_S = 320, 10, 6
MODES = {"speech": "--in speech", "hybrid": "all, as by default"}
CUTOFFS = (1, 10)


def main() -> int:
    """Make the clips, index them, search."""
    arguments = options(__doc__).parse_args()
    if not has_speech():
        print("left out: the extra 'speech' is not installed", file=sys.stderr)
        return SKIPPED
    report = Report("speech search", arguments, packages=("faster-whisper", "ctranslate2"))
    queries = json.loads(QUERIES.read_text(encoding="utf-8"))
    if arguments.quick:
        queries = dict(islice(queries.items(), 12))
    try:
        folder = fetched(ARCHIVES[SPOKEN], lambda path: path.suffix == ".wav")
        pictures = fetched_clips(pypi_only=False)[1]
    except (PolyreelError, OSError) as error:
        print(f"left out: {error}", file=sys.stderr)
        return SKIPPED
    (voice,) = {path for path in folder.rglob(VOICES[SPOKEN]) if path.is_dir()}
    with tempfile.TemporaryDirectory() as work:
        clips, library = Path(work) / "clips", Path(work) / "library"
        clips.mkdir()
        for name, picture in zip(queries, cycle(pictures), strict=False):
            write_clip(clips / f"{name}.mp4", picture, sound_of(voice / f"{name}.wav"))
        command = polyreel("index", clips, "--library", library, "--speech", "--no-screen-text", "--json")
        print(run(command), file=sys.stderr)
        show(report, Library(library), queries)
    return report.close()


def write_clip(path: Path, picture: Path, sound: NDArray[np.int16]) -> None:
    """A clip of an announcement, with pictures that have nothing to do with it."""
    shots = list(islice(small_frames(picture), SHOT_S * FPS))
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        video.height, video.width = shots[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        for number, shot in enumerate(islice(cycle(shots), -(-len(sound) * FPS // RATE))):
            frame = VideoFrame.from_ndarray(shot, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        heard = AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        heard.sample_rate, heard.pts, heard.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(audio.encode(heard))
        container.mux(audio.encode(None))


def small_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Pictures of a clip, (height, width, 3), of even sides."""
    for frame in frames(path):
        image = Image.fromarray(frame.image)
        height = max(2, round(WIDTH_PX * image.height / image.width / 2) * 2)
        yield np.asarray(image.resize((WIDTH_PX, height)))


def show(report: Report, library: Library, queries: Mapping[str, Mapping[str, str]]) -> None:
    """A row for each language, and their mean."""
    report.note(
        f"Gallery: {len(queries)} clips, each with one announcement. Queries: one of each announcement in "
        f"each of {len(STUDY_LANGUAGES)} languages, {len(queries) * len(STUDY_LANGUAGES)} in all."
    )
    places = {mode: {tag: ranks(library, queries, tag, mode) for tag in STUDY_LANGUAGES} for mode in MODES}
    hits = {
        (mode, cutoff): {tag: 100.0 * (found <= cutoff) for tag, found in places[mode].items()}
        for mode in MODES
        for cutoff in CUTOFFS
    }
    for rates in hits.values():
        rates["mean"] = np.mean([rates[tag] for tag in STUDY_LANGUAGES], axis=0)
    rows = [
        [tag, *(cell(rates[tag], report.arguments.seed, digits=0) for rates in hits.values())]
        for tag in (*STUDY_LANGUAGES, "mean")
    ]
    columns = [f"R@{cutoff}, {MODES[mode]}" for mode, cutoff in hits]
    report.table("Share of queries that find the clip, % [95%]", ["language", *columns], rows)
    for mode, where in MODES.items():
        report.target(f"R@10 mean of nine, {where}", hits[mode, 10]["mean"].mean(), ">=", 80)
        report.target(f"R@10 sw, {where}", hits[mode, 10]["sw"].mean(), ">=", 60)


def ranks(
    library: Library, queries: Mapping[str, Mapping[str, str]], language: str, mode: str
) -> NDArray[np.float64]:
    """The place of each announcement's clip, (queries,); infinite where it is not found."""
    found = []
    for name, texts in queries.items():
        hits = library.search(texts[language], top=len(queries), mode=mode, per_video=1).hits
        names = [Path(hit.video).stem for hit in hits]
        found.append(names.index(name) + 1 if name in names else np.inf)
    return np.array(found, np.float64)


if __name__ == "__main__":
    sys.exit(main())
