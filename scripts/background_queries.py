"""``python scripts/background_queries.py``: write ``src/polyreel/library/background.json``.

Background queries say how well a query matches a library by chance, in each language. They are names of
emoji, which translators wrote for Unicode's CLDR: things, animals, people and actions, of which any one
library shows few. Names of signs, flags and faces are left out, because nobody searches video for them.
Fetches about 90 MB.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from polyreel.datasets.readers.emoji import fetch_emoji, vendor_records
from polyreel.evaluation.items import evaluation_set
from polyreel.languages import STUDY_LANGUAGES, clean
from polyreel.packages.members import cache_dir

QUERIES = 200
SIGNS = re.compile(
    r"\b(face|button|flag|keycap|arrow|symbol|square|circle|clock|heart|mark|sign|o’clock|thirty|hand|hands|"
    r"finger|fingers|diamond|triangle|moon|Japanese|selector|emoji|medium|skin)\b|[:#*\d]"
)
OUT = Path(__file__).parents[1] / "src" / "polyreel" / "library" / "background.json"


def main() -> None:
    """Choose at random, with a fixed seed, among names that exist in all nine languages."""
    records = vendor_records(fetch_emoji(cache_dir() / "corpora", vendors=["google"]), "google")
    named = [
        item.captions
        for item in evaluation_set(records, "emoji").items
        if all(item.captions.get(tag) for tag in STUDY_LANGUAGES) and not SIGNS.search(item.captions["en"][0])
    ]
    chosen = random.Random(0).sample(named, QUERIES)  # noqa: S311
    document = {
        "source": "names of emoji in Unicode CLDR 48.2.0 (npm: cldr-annotations-full, -derived-full)",
        "licence": "Unicode-3.0",
        "queries": {tag: [clean(captions[tag][0]) for captions in chosen] for tag in STUDY_LANGUAGES},
    }
    OUT.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
