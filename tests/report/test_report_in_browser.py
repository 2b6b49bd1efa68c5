"""The page in a real browser, without network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up import make_result, worst_query
from test_page import full_results, hostile_result

from browsers import ENDS_WITH_ITS_PROCESS, browser
from polyreel.report.report import make_report

pytestmark = ENDS_WITH_ITS_PROCESS


@pytest.fixture(scope="module", name="browser")
def started_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    with browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


def test_page_opens_without_errors_requests_or_overflow(browser, tmp_path: Path) -> None:
    hostile = [hostile_result(), make_result("b" * 200, worst=[worst_query("長" * 400)])]
    for name, results in (("full", full_results()), ("hostile", hostile)):
        path = tmp_path / f"{name}.html"
        path.write_text(make_report(results), encoding="utf-8")
        for width in (400, 1200):
            page = browser.new_page(viewport={"width": width, "height": 900})
            said: list[str] = []
            requests: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.on("dialog", lambda dialog, said=said: (said.append(dialog.message), dialog.dismiss()))
            page.on("request", lambda request, requests=requests: requests.append(request.url))
            page.goto(path.as_uri())
            assert said == []
            assert {url for url in requests if not url.startswith("data:image/jpeg")} == {path.as_uri()}
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
            heights = page.evaluate(
                "[...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().height)"
            )
            assert min(heights) > 40
            # A blank page of this size is compressed to a few kilobytes.
            assert len(page.screenshot()) > 12_000
            page.close()


def test_skip_link_comes_first_and_shows_itself(browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(make_report([make_result()]), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.close()
