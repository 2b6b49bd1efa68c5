"""Pictures of every page, light and dark, on phones and a laptop: to be looked at; and four for the docs.

    polyreel index /srv/videos --library /srv/library
    polyreel serve --library /srv/library --root /srv/videos
    python scripts/page_pictures.py http://127.0.0.1:8420              # all of them, below build/pages
    python scripts/page_pictures.py http://127.0.0.1:8420 --docs       # the four, below docs/images

The pages name the videos' folder: index one whose path may be seen. ``--empty ADDRESS`` adds the first page
of a server whose library holds nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
COLOURS = 256  # enough for a page, and a third of the size
SIZES = {"phone": (390, 844), "small": (320, 568), "laptop": (1280, 720)}
PROGRAMS = ("chromium-headless-shell", "chromium")
QUERY = "ocean"
_PLAYS_MS = 1_500


@dataclass(frozen=True)
class Shot:
    """One picture: of an address, in a language, as wide and as light as given, after a click if one is."""

    name: str
    path: str
    tag: str = "en"
    scheme: str = "light"
    size: tuple[int, int] = SIZES["laptop"]
    click: str = ""


def docs_shots(film: str) -> list[Shot]:
    """The four of the manual."""
    return [
        Shot("page-en", f"/?q={quote(QUERY)}", size=(1120, 760)),
        Shot("page-zh", f"/?q={quote('弹钢琴的人')}", "zh", "dark", (1120, 760)),
        Shot("page-sw", f"/?q={quote('mawimbi ya bahari')}", "sw", size=(420, 760)),
        Shot("film-de", f"{film}?t=2069&q={quote('Wellen am Strand')}", "de", size=(1120, 760)),
    ]


def all_shots(film: str) -> Iterator[Shot]:
    """Every page in both schemes and all sizes, and the ones with most words in each language on a phone."""
    pages = {
        "home": "/",
        "results": f"/?q={quote(QUERY)}",
        "doubt": "/?q=qwrtzpsd&mode=visual",
        "filters": "/?q=boat&length=short",
        "film": f"{film}?t=1200",
        "film-query": f"{film}?t=1200&q={quote(QUERY)}",
        "library": "/library",
        "model": "/model",
        "missing": "/nothing",
    }
    for name, path in pages.items():
        for scheme in ("light", "dark"):
            for size_name, size in SIZES.items():
                yield Shot(f"{name}-{size_name}-{scheme}", path, "en", scheme, size)
    for size_name, size in SIZES.items():
        yield Shot(f"player-{size_name}", pages["results"], size=size, click=".thumb")
    for tag in ("de", "fr", "cs", "zh", "ru", "vi", "sw", "es"):
        for name in ("home", "results", "film-query", "library"):
            yield Shot(f"{name}-small-{tag}", pages[name], tag, size=SIZES["small"])


def longest_film(address: str) -> str:
    """Path of the page of the video with the most moments."""
    with urlopen(f"{address}/api/v1/videos?top=1000") as answer:  # noqa: S310  the address that was given
        videos = json.load(answer)["videos"]
    return "/videos/" + str(max(videos, key=lambda video: video["clips"])["id"])


def take(browser: Browser, address: str, shot: Shot, folder: Path, *, whole: bool) -> None:
    """Write one picture.

    Args:
        browser: that shows the page.
        address: of the server.
        shot: what to show.
        folder: where the picture goes.
        whole: the page from its top to its end, not what is seen at first.
    """
    width, height = shot.size
    page = browser.new_page(
        viewport={"width": width, "height": height}, locale=shot.tag, color_scheme=shot.scheme
    )
    page.goto(address + shot.path, wait_until="networkidle")
    if shot.click:
        page.locator(shot.click).first.click()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(_PLAYS_MS)
    picture = Image.open(io.BytesIO(page.screenshot(full_page=whole and not shot.click))).convert("RGB")
    page.close()
    out = folder / f"{shot.name}.png"
    picture.quantize(COLOURS).save(out, optimize=True)
    print(out.relative_to(ROOT), out.stat().st_size)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser."""
    program = next(filter(None, map(shutil.which, PROGRAMS)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def main() -> None:
    """Take the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("address")
    parser.add_argument("--docs", action="store_true", help="the four of the manual")
    parser.add_argument("--empty", default="", help="address of a server of an empty library")
    parser.add_argument("--only", default="", help="only pictures whose name has this in it")
    told = parser.parse_args()
    address = told.address.rstrip("/")
    film = longest_film(address)
    shots = docs_shots(film) if told.docs else list(all_shots(film))
    folder = ROOT / "docs" / "images" if told.docs else ROOT / "build" / "pages"
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for shot in shots:
            if told.only in shot.name:
                take(browser, address, shot, folder, whole=not told.docs)
        for size_name in SIZES if told.empty else ():
            for tag in ("en", "sw", "ru"):
                shot = Shot(f"empty-{size_name}-{tag}", "/", tag, size=SIZES[size_name])
                take(browser, told.empty.rstrip("/"), shot, folder, whole=True)


if __name__ == "__main__":
    main()
