"""The page in a real browser: typing, playing, sharing; nothing from elsewhere, nothing on the console."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from servers import listening, wait_for
from test_examples import picture

from browsers import ENDS_WITH_ITS_PROCESS, browser
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.index.events import Planned, Recognised
from polyreel.library.index.hearing import HearingProgress
from polyreel.library.index.progress_file import LINES_FILE, ProgressFile
from polyreel.server.translations import translations_in
from tiny_bundle import MEANINGS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)

pytestmark = ENDS_WITH_ITS_PROCESS
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
GREEN = MEANINGS[1]


@pytest.fixture(scope="module", name="browser")
def started_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    with browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def visit(browser, site):
    """Opens pages; at the end none may have complained or asked anyone else."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def open_page(path: str = "/", **options):
        context = browser.new_context(**{"locale": "en", **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(site.address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith((site.address, "data:"))] == []


def search(page, query: str) -> None:
    page.fill("#q", query)
    page.keyboard.press("Enter")
    page.wait_for_selector("#results .outcome")


def until(page, expression: str):
    """Wait until an expression is true. Playwright's own way is forbidden by the policy of the page."""

    def value():
        # Between two pages there is no document.
        with contextlib.suppress(playwright.Error):
            return page.evaluate(expression)

    return wait_for(value)


def playing_at(page) -> float:
    video = "document.querySelector('video')"
    until(page, f"({video}?.currentTime ?? 0) > 0 && !{video}.seeking")
    return page.evaluate(f"{video}.currentTime")


FOCUSED = "[...document.querySelectorAll('.thumb')].indexOf(document.activeElement)"


@pytest.mark.parametrize(("tag", "word"), list(zip(STUDY_LANGUAGES, GREEN, strict=True)))
def test_a_search_in_each_language_on_a_page_in_that_language(visit, tag, word):
    page = visit(locale=tag)
    # The browser moves the focus after the page has loaded, in its own time.
    page.wait_for_function("document.activeElement.id === 'q'")
    assert page.get_attribute("html", "lang") == tag
    search(page, word)
    # Title and address follow the results, each in its own time.
    until(page, f"document.title === {json.dumps(f'{word} · polyreel')}")
    until(page, f"location.href.endsWith({json.dumps('/?q=' + quote(word))})")
    assert page.inner_text(".card h2 >> nth=0") == "green.mp4"
    assert page.inner_text(".box button") == translations_in(tag).gettext("Search")


def test_the_keyboard_is_enough(visit):
    page = visit()
    page.wait_for_function("document.activeElement.id === 'q'")
    page.keyboard.type("white")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement === document.querySelector('.thumb')")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("[...document.querySelectorAll('.thumb')].indexOf(document.activeElement)") == 1
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert playing_at(page) >= 0
    page.keyboard.press("n")
    until(page, "document.querySelector('#theatre .place').textContent.includes('2/')")
    assert playing_at(page) >= 0
    page.keyboard.press(",")
    until(page, "document.querySelector('#theatre .place').textContent.includes('1/')")
    page.keyboard.press(".")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('#theatre').open")
    # Where one came to: a closing dialog gives the focus back to where it was opened, and only then tells.
    until(page, f"{FOCUSED} === 1")
    assert page.locator("video").count() == 0
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"


def test_a_click_plays_from_the_moment(visit):
    page = visit("/?q=white&mode=visual&moments=all")
    link = page.get_by_role("link", name=re.compile("Play tricolour.mp4"))
    start_s = float(re.search(r"start=([0-9.]+)", link.first.get_attribute("href"))[1])
    link.first.click()
    assert page.locator("#theatre .poster, #theatre video").count() == 1  # a picture is there at once
    assert start_s <= playing_at(page) <= start_s + 0.5
    page.get_by_role("button", name="Close the player").click()
    until(page, "!document.querySelector('video')")


def test_the_player_says_why_and_shows_the_lines(visit):
    page = visit("/?q=dog&mode=subtitles")
    page.locator(".thumb").first.click()
    playing_at(page)
    assert page.locator("#theatre mark").inner_text() == "dog"
    until(page, "document.querySelector('track')?.track.cues?.length === 3")
    cues = page.evaluate(
        "[...document.querySelector('track').track.cues].map(cue => [cue.startTime, cue.text])"
    )
    assert cues[1] == [4, "and then the dog runs away"]
    assert page.evaluate("document.querySelector('track').track.mode") == "showing"


def test_other_moments_of_a_video_unfold_and_play(browser, refused_library):
    with listening(refused_library) as site:
        page = browser.new_page(locale="en")
        page.goto(site.address + "/?q=red&mode=visual")
        page.get_by_role("link", name="1 more moment in this video").press("Enter")
        until(page, "document.activeElement.matches('.few .thumb')")
        page.keyboard.press("Enter")
        assert playing_at(page) >= 4
        page.keyboard.press("p")
        until(page, "document.querySelector('#theatre .place').textContent.startsWith('0:00')")
        page.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1366, 640), (360, 640), (640, 360)])
def test_the_player_can_be_closed_without_scrolling(visit, width, height):
    page = visit("/?q=dog&mode=subtitles", viewport={"width": width, "height": height})
    page.locator(".thumb").first.press("Enter")
    playing_at(page)
    for part in ("#theatre video", "#theatre .close"):
        box = page.locator(part).bounding_box()
        assert box["x"] >= 0, part
        assert box["y"] >= 0, part
        assert box["x"] + box["width"] <= width, part
        assert box["y"] + box["height"] <= height, part
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_player_goes_from_moment_to_moment_and_stops_at_the_ends(visit):
    page = visit("/?q=white&mode=visual")
    page.locator(".thumb").first.click()
    back, on = (page.get_by_role("button", name=name) for name in ("Previous moment", "Next moment"))
    assert back.is_disabled()
    on.click()
    assert back.is_enabled()
    assert page.locator("#theatre video, #theatre .poster").count() == 1
    page.mouse.click(3, 3)  # the dark around it
    until(page, "!document.querySelector('#theatre').open")


def test_whoever_stays_on_a_card_sees_its_moment(visit):
    page = visit("/?q=white&mode=visual")
    page.locator(".thumb").first.hover()
    until(page, "document.querySelector('.thumb .strip')?.naturalWidth === 1280")
    page.mouse.move(2, 2)
    until(page, "document.querySelector('.thumb .strip') === null")
    still = visit("/?q=white&mode=visual", reduced_motion="reduce")
    still.locator(".thumb").first.hover()
    still.wait_for_timeout(700)
    assert still.locator(".strip").count() == 0


def test_the_back_button_and_a_shared_link(visit):
    page = visit()
    search(page, "red")
    first = page.inner_text(".card h2 >> nth=0")
    search(page, "green")
    until(page, "document.querySelector('.card h2').textContent === 'green.mp4'")
    link = page.url
    page.go_back()
    until(page, "document.querySelector('#q').value === 'red'")
    assert page.inner_text(".card h2 >> nth=0") == first
    assert visit(link[link.index("/?") :]).inner_text(".card h2 >> nth=0") == "green.mp4"


def test_filters_search_again_and_stand_in_the_address(visit):
    page = visit("/?q=red")
    page.locator("#filters summary").click()
    page.select_option("[name=folder]", "talks")
    page.wait_for_url("**folder=talks**")
    until(
        page, "[...document.querySelectorAll('.card h2')].every(each => each.textContent === 'tricolour.mp4')"
    )


def test_the_detected_language_can_be_corrected(visit):
    page = visit("/?q=verde")
    shown = page.locator(".detected select")
    assert shown.locator("option:checked").inner_text() == "Spanish"
    shown.select_option("fr")
    page.wait_for_url("**lang=fr**")
    until(page, "document.querySelector('.detected option:checked').value === 'fr'")


def test_nothing_that_matches_is_visible(visit):
    page = visit("/?q=qwrtzpsd&mode=visual")
    assert page.locator("#doubt").is_visible()
    assert "%" in page.inner_text("#doubt")


def test_what_was_found_is_saved_as_a_list(visit):
    page = visit()
    search(page, "dog")
    page.get_by_text("Save as a list").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").click()
    assert saved.value.suggested_filename == "dog.csv"
    assert "the dog runs away" in saved.value.path().read_text(encoding="utf-8")


def test_more_like_this_and_the_whole_video(visit):
    page = visit("/?q=red&mode=visual")
    page.locator(".acts a").first.click()
    page.wait_for_selector(".given")
    assert page.evaluate("document.querySelector('.given').naturalWidth") > 0
    page.locator(".acts a").nth(1).click()
    page.wait_for_selector("#player")
    page.locator(".moments a[data-seek]").last.click()
    until(page, "document.querySelector('#player').currentTime > 0")


def test_a_dropped_file_is_searched_with(visit, tmp_path):
    (tmp_path / "green.jpg").write_bytes(picture("green"))
    page = visit()
    page.set_input_files("#file", tmp_path / "green.jpg")
    page.get_by_role("button", name="Find moments like it").click()
    page.wait_for_url("**example=**")
    until(page, "document.querySelector('.card h2')?.textContent === 'green.mp4'")
    page = visit()
    page.evaluate(
        """async (bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "green.jpg", {type: "image/jpeg"}));
            const facts = {dataTransfer: transfer, bubbles: true, cancelable: true};
            document.body.dispatchEvent(new DragEvent("drop", facts));
        }""",
        list(picture("green")),
    )
    page.wait_for_url("**example=**")
    until(page, "document.querySelector('.card h2')?.textContent === 'green.mp4'")


def test_it_works_without_javascript(visit):
    page = visit(java_script_enabled=False)
    page.fill("#q", "green")
    page.get_by_role("button", name="Search", exact=True).click()
    assert page.inner_text(".card h2 >> nth=0") == "green.mp4"
    page.locator(".thumb").first.click()
    assert re.search(r"/file#t=[0-9.]+,[0-9.]+$", page.locator("#player").get_attribute("src"))
    page.get_by_role("link", name="Back to the results").click()
    assert page.inner_text(".card h2 >> nth=0") == "green.mp4"
    page.locator(".page-language summary").click()
    page.get_by_role("button", name="Deutsch").click()
    assert page.get_attribute("html", "lang") == "de"


def test_the_language_can_be_changed_and_stays(visit):
    page = visit("/?q=red")
    page.locator(".page-language summary").click()
    page.get_by_role("button", name="Čeština").click()
    until(page, "document.documentElement.lang === 'cs'")
    assert page.url.endswith("/?q=red")
    page.goto(page.url.replace("red", "green"))
    assert page.get_attribute("html", "lang") == "cs"


@pytest.mark.parametrize(("zone", "hours"), [("Asia/Kolkata", 5.5), ("America/St_Johns", None), ("UTC", 0)])
def test_times_are_those_of_the_readers_clock_and_keep_the_instant(visit, zone, hours):
    page = visit("/library", timezone_id=zone, locale="de")
    shown = page.locator("dl.facts time")
    instant = datetime.fromisoformat(shown.get_attribute("datetime"))
    here = instant.astimezone(ZoneInfo(zone) if hours is None else timezone(timedelta(hours=hours)))
    assert shown.text_content() == here.strftime("%d.%m.%Y, %H:%M:%S")
    assert shown.get_attribute("title") == instant.strftime("%d.%m.%Y, %H:%M:%S UTC")
    page.locator("ul.videos a").first.click()
    film = page.locator("p.folder time")
    changed = datetime.fromisoformat(film.get_attribute("datetime")).astimezone(ZoneInfo(zone))
    assert film.text_content() == changed.strftime("%d.%m.%Y")


def test_times_that_come_later_are_those_of_the_readers_clock_too(visit):
    page = visit("/library", timezone_id="Asia/Kolkata", locale="de")
    page.evaluate(
        """() => document.querySelector("#progress").insertAdjacentHTML(
            "beforeend", '<time datetime="2026-01-31T20:00:00+00:00">UTC</time>')"""
    )
    # A part of the page that is fetched anew.
    page.evaluate("() => document.dispatchEvent(new CustomEvent('htmx:after:swap'))")
    assert page.locator("#progress time").last.text_content() == "01.02.2026, 01:30:00"


@pytest.mark.parametrize(
    "path", ["/", "/?q=dog", "/?q=qwrtzpsd&mode=visual", "/library", "/model", "/nothing", "video", "player"]
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(browser, site, path, scheme):
    context = browser.new_context(color_scheme=scheme, locale="en", viewport={"width": 1200, "height": 900})
    page = context.new_page()
    if path in {"video", "player"}:
        page.goto(site.address + "/?q=white")
        if path == "video":
            page.get_by_role("link", name="Whole video: ").first.click()
        else:
            page.locator(".thumb").first.click()
        page.wait_for_selector("video")
    else:
        page.goto(site.address + path)
    found = axe.Axe().run(page, options=WCAG)
    context.close()
    assert [
        (each["id"], [node["html"] for node in each["nodes"]]) for each in found.response["violations"]
    ] == []


# In one page, whose window is made narrow: 54 pages would take a minute.
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
    .filter(each => each.getBoundingClientRect().right > innerWidth && !each.closest(".wide, .unseen, .skip"))
    .map(each => each.outerHTML.slice(0, 80))"""
LINES_OF_THE_NAME = """() => {
    const name = document.createRange();
    name.selectNodeContents(document.querySelector(".mark"));
    return name.getClientRects().length;
}"""


@pytest.mark.parametrize("tag", STUDY_LANGUAGES)
def test_it_fits_a_phone_in_each_language(visit, site, tag):
    page = visit("/?q=dog", locale=tag, viewport={"width": 320, "height": 640})
    film = page.locator(".acts a").nth(1).get_attribute("href")
    for path in ("/?q=dog", "/?q=qwrtzpsd&mode=visual", "/", film, "/library", "/model"):
        if path != "/?q=dog":
            page.goto(site.address + path)
        for width in (320, 390):
            page.set_viewport_size({"width": width, "height": 640})
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width, (
                path,
                width,
                page.evaluate(TOO_WIDE),
            )
            assert page.evaluate(LINES_OF_THE_NAME) == 1, (path, width)


def test_what_was_heard_fits_a_phone_in_each_language_and_is_accessible(browser, heard_library):
    with listening(heard_library) as site:
        page = browser.new_page(viewport={"width": 320, "height": 640})
        for tag in STUDY_LANGUAGES:
            page.set_extra_http_headers({"accept-language": tag})
            page.goto(f"{site.address}/library")
            assert page.evaluate("document.scrollingElement.scrollWidth") <= 320, page.evaluate(TOO_WIDE)
        assert page.locator(".told").count() == 14
        found = axe.Axe().run(page, options=WCAG)
        assert [each["id"] for each in found.response["violations"]] == []
        page.close()


def test_it_fits_screens_of_any_width_and_a_laptop_shows_the_player_whole(visit, site):
    page = visit("/?q=dog", viewport={"width": 768, "height": 720})
    film = page.locator(".acts a").nth(1).get_attribute("href")
    for path in ("/?q=dog", "/", film, "/library", "/model"):
        page.goto(site.address + path)
        for width in (768, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 720})
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width, (path, width)
        if path == film:
            assert page.evaluate("document.querySelector('#player').getBoundingClientRect().bottom") < 600


def test_dark_is_dark(visit):
    ground = "getComputedStyle(document.body).backgroundColor"
    shown = [visit(color_scheme=scheme).evaluate(ground) for scheme in ("light", "dark")]
    light, dark = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in shown)
    assert light > 600
    assert dark < 150


def test_progress_comes_by_itself_and_its_end_renews_the_page(visit, site):
    page = visit("/library")
    assert "No indexing is under way." in page.inner_text("#progress")
    library = site.app.state.server.settings.library
    shown, lines = ProgressFile(library), ProgressFile(library, LINES_FILE)
    try:
        shown.take(Planned(4, 1_000))
        until(page, "document.querySelector('#progress').innerText.includes('0 of 4 files')")
        lines.take(Recognised("speech", HearingProgress(3, 1, 60.0, 20.0, "")))
        until(page, "document.querySelector('#progress').innerText.includes('1 of 3 videos')")
        shown.remove()
        until(page, "performance.getEntriesByType('navigation')[0].type === 'reload'")
        until(page, "document.querySelector('#progress')?.innerText.includes('1 of 3 videos')")
    finally:
        shown.remove()
        lines.remove()
    until(page, "document.querySelector('#progress')?.innerText.includes('No indexing is under way.')")
    assert "The last run ended on" in page.inner_text("#progress")


def test_a_moment_of_an_avi_plays(browser, refused_library):
    with listening(refused_library) as site:
        page = browser.new_page(locale="en")
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(site.address + "/?q=wall&mode=subtitles")
        link = page.get_by_role("link", name=re.compile("Play old.avi")).first
        start_s = float(re.search(r"start=([0-9.]+)", link.get_attribute("href"))[1])
        link.click()
        video = "document.querySelector('video')"
        wait_for(lambda: page.evaluate(f"({video}?.currentTime ?? 0) > 0.5"))
        assert page.evaluate(f"{video}.videoWidth") == 160
        cues = page.evaluate(f"[...{video}.querySelector('track').track.cues].map(cue => cue.startTime)")
        assert cues[-1] == pytest.approx(4 - start_s, abs=0.01)
        page.locator("#theatre").get_by_role("link", name="Whole video").click()
        page.wait_for_selector("#player")
        page.locator("[data-seek]").last.click()
        wait_for(lambda: page.evaluate(f"{video}.currentTime > 0.2 && Number({video}.dataset.begins) >= 3"))
        page.close()
        assert said == []
