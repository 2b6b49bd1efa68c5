"""What to type for a package that is missing, however polyreel was installed."""

from __future__ import annotations

import json
import shlex
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from polyreel import extras
from polyreel.extras import install_extra, install_packages, missing_extra

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "install"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Far from the checkout, in an environment that is not active."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(extras.shutil, "which", lambda _name: None)
    monkeypatch.setattr(extras, "find_spec", lambda _name: True)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """polyreel as pip leaves it in site-packages, with what it noted of where it came from."""

    def install(**direct_url: object) -> None:
        site = tmp_path / "site-packages"
        facts = site / "polyreel-1.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text(
            "Metadata-Version: 2.4\nName: polyreel\nVersion: 1\nProvides-Extra: speech\n"
            "Requires-Dist: numpy>=2\nRequires-Dist: faster-whisper>=1.2; extra == 'speech'\n"
            'Requires-Dist: mcp>=2; extra == "mcp"\n'
        )
        if direct_url:
            (facts / "direct_url.json").write_text(json.dumps(direct_url))
        monkeypatch.setattr(extras, "__file__", str(site / "polyreel" / "extras.py"))
        monkeypatch.syspath_prepend(str(site))
        assert distribution("polyreel").version == "1"

    return install


def test_a_checkout_is_installed_again_with_the_extra(monkeypatch):
    command = shlex.split(install_extra("speech"))
    assert command == [*PIP, "--constraint", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[speech]"]
    monkeypatch.chdir(ROOT)
    assert install_extra("speech").endswith("-m pip install --constraint ./constraints.txt -e '.[speech]'")


def test_a_folder_that_was_installed_is_installed_again(installed, tmp_path):
    (tmp_path / "my sources").mkdir()
    installed(url=(tmp_path / "my sources").as_uri(), dir_info={})
    assert shlex.split(install_extra("serve")) == [*PIP, "./my sources[serve]"]


def test_a_wheel_that_is_still_there_is_installed_again(installed, tmp_path):
    wheel = tmp_path / "dist" / "polyreel-1-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.touch()
    installed(url=wheel.as_uri(), archive_info={})
    assert shlex.split(install_extra("mcp")) == [*PIP, "./dist/polyreel-1-py3-none-any.whl[mcp]"]
    wheel.unlink()
    assert shlex.split(install_extra("mcp")) == [*PIP, "mcp>=2"]


def test_where_nothing_is_known_the_packages_of_the_extra_are_installed(installed):
    installed()
    assert shlex.split(install_extra("speech")) == [*PIP, "faster-whisper>=1.2"]


def test_pip_is_called_as_it_can_be_called_here(monkeypatch, tmp_path):
    monkeypatch.setattr(extras.shutil, "which", lambda _name: str(Path(sys.executable).parent / "pip"))
    assert install_packages("pandas") == "pip install pandas"
    monkeypatch.setattr(extras.shutil, "which", lambda _name: "/elsewhere/bin/pip")
    assert shlex.split(install_packages("pandas")) == [*PIP, "pandas"]
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    assert shlex.split(install_packages("a>1")) == [
        "uv",
        "pip",
        "install",
        "--python",
        sys.executable,
        "a>1",
    ]


def test_the_error_says_what_else_can_be_done(monkeypatch):
    monkeypatch.setattr(extras, "install_extra", lambda extra: f"pip install '.[{extra}]'")
    error = missing_extra("edit", "a package is missing", item="otio", otherwise="edl needs nothing")
    assert str(error) == (
        "a package is missing: otio. Install it with: pip install '.[edit]'; edl needs nothing."
    )


def test_no_message_offers_what_no_index_has():
    """An index has no polyreel: ``pip install polyreel`` would install a stranger's package, if any."""
    offered = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for folder, kind in (("src", "*.py"), ("src", "*.html"), ("docs", "*.md"), (".", "README.md"))
        for file in sorted((ROOT / folder).rglob(kind) if folder != "." else [ROOT / kind])
        for line in file.read_text(encoding="utf-8").splitlines()
        if "install polyreel" in line or "install 'polyreel" in line or 'install "polyreel' in line
    ]
    assert offered == []
