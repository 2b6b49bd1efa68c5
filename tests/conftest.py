"""Fixtures that need something from outside the tests; each skips with a reason where that is absent."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator
from pathlib import Path

# Read when numpy and PyTorch are loaded: their threads would wait for each other on a shared machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# xdist tells its workers a width, and a console of rich that is made with one keeps it.
os.environ.pop("COLUMNS", None)

import pytest
from hypothesis import settings

from polyreel.encoders.build.bundle_spec import training_free
from polyreel.encoders.registry import DEFAULT_BUNDLE, build_bundle, build_on_default, locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import FetchError
from polyreel.recognition.screen.screen_text import ScreenText
from polyreel.recognition.screen.weights import ScreenModel, find_model
from tiny_bundle import write_tiny_bundle

# Other programs share the machine, so no example has a deadline; every run tries the same examples, so that a
# change and not chance turns a test red; nothing is written into the working tree.
settings.register_profile("quick", deadline=None, max_examples=100, database=None, derandomize=True)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=1000)
settings.load_profile("quick")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """While everything is imported there is no garbage, and looking for it takes a sixth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A shell lets programs in the background ignore Ctrl-C, which tests send themselves."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _pictures_are_read_only_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Index runs would read text in the pictures of every test on machines that have the weights."""
    monkeypatch.setattr("polyreel.recognition.registry.has_screen", lambda: False)


@pytest.fixture(scope="session")
def small_bundle() -> Bundle:
    """The default bundle, built on first use, and anew where an older one is there."""
    try:
        build_bundle(DEFAULT_BUNDLE)
        return Bundle(locate_bundle())
    except FetchError as error:
        pytest.skip(f"the default bundle cannot be built: {error}")


@pytest.fixture(scope="session")
def training_free_bundle(small_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The default bundle without what was learnt."""
    folder = tmp_path_factory.mktemp("training-free") / "bundle"
    build_on_default(folder, training_free(), alike=small_bundle.folder)
    return Bundle(folder)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data sets for experiments and tests."""
    folder = Path(os.environ.get("POLYREEL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no shared data in {folder}; set POLYREEL_DATA")
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle that knows six colours and their names in nine languages; it takes milliseconds."""
    return Bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny"))


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of the same kind with another identity."""
    return Bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "other", name="other", revision=2))


@pytest.fixture(scope="session")
def screen_model() -> ScreenModel:
    """The weights that read text on the screen."""
    try:
        return find_model()
    except FetchError as error:
        pytest.skip(f"the weights for text on the screen cannot be had: {error}")


@pytest.fixture(scope="session")
def screen(screen_model: ScreenModel) -> ScreenText:
    """What reads text on the screen, with weights that are there."""
    del screen_model
    return ScreenText(threads=1)
