"""``python scripts/page_pictures.py ADDRESS``: the pictures of docs/server.md, from a served demo library.

Start it with: polyreel serve --library ~/.cache/polyreel/demo/library
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import sync_playwright

OUT = Path(__file__).parents[1] / "docs" / "images"
COLOURS = 256  # enough for a page, and a third of the size
PICTURES = (
    ("en", "light", 1120, 760, "/?q=" + quote("waves on the beach")),
    ("zh", "dark", 1120, 760, "/?q=" + quote("弹钢琴的人")),
    ("sw", "light", 420, 760, "/?q=" + quote("mbwa anakimbia")),
)


def main() -> None:
    """Take one picture for each of three languages."""
    (address,) = sys.argv[1:]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for tag, scheme, width, height, path in PICTURES:
            page = browser.new_page(
                viewport={"width": width, "height": height}, locale=tag, color_scheme=scheme
            )
            page.goto(address.rstrip("/") + path, wait_until="networkidle")
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            out = OUT / f"page-{tag}.png"
            shot.quantize(COLOURS).save(out, optimize=True)
            print(out, out.stat().st_size)
        browser.close()


if __name__ == "__main__":
    main()
