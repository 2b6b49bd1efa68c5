"""Models in the layout of the hub, and the bundles that were imported of them, each made once."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

import hub_models
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.importer import import_model
from polyreel.encoders.importing.weights.torchvision_operators import mend_torchvision
from polyreel.encoders.runtime import Bundle
from polyreel.media.pictures import read_for_encoder

mend_torchvision()


@pytest.fixture(scope="session")
def hub_model(tmp_path_factory) -> Callable[[str], HubFolder]:
    """The folder of a small model of a family; tests that change it copy it first."""
    made: dict[str, HubFolder] = {}

    def get(family: str) -> HubFolder:
        if family not in made:
            pytest.importorskip("transformers", reason="models of the hub need the extra import")
            if family in hub_models.OF_OPEN_CLIP and find_spec("open_clip") is None:
                pytest.skip("open_clip is not installed; make test-open-clip brings it")
            folder: Path = tmp_path_factory.mktemp("hub") / family
            made[family] = HubFolder(hub_models.MODELS[family](folder), f"makers/{family}")
        return made[family]

    return get


@pytest.fixture(scope="session")
def imported(hub_model, tmp_path_factory) -> Callable[[str], Bundle]:
    """The bundle of that small model."""
    made: dict[str, Bundle] = {}

    def get(family: str) -> Bundle:
        if family not in made:
            folder = tmp_path_factory.mktemp("imported") / family
            beside = hub_models.IMAGES.get(family)
            images = hub_model(beside) if beside else None
            options = {"as_decoded": read_for_encoder, "accept_licence": True, "images": images}
            import_model(hub_model(family), folder, name=family, **options)
            made[family] = Bundle(folder)
        return made[family]

    return get


_COLUMNS = (
    "family",
    "fixture's class",
    "texts",
    "reference's pixels",
    "our decoder's",
    "clip",
    "long text",
    "mixed batch",
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The proof of all families that were tried: the smallest cosine of each to the class of its makers."""
    rows: dict[str, dict[str, object]] = {}
    for report in terminalreporter.stats.get("passed", ()):
        facts = dict(report.user_properties)
        if "family" in facts:
            rows.setdefault(str(facts["family"]), {}).update(facts)
    if rows:
        terminalreporter.section("smallest cosine to the model, by family")
        table = [_COLUMNS, ["---"] * len(_COLUMNS)]
        table += [[str(row.get(column, "")) for column in _COLUMNS] for row in rows.values()]
        for line in table:
            terminalreporter.write_line(f"| {' | '.join(line)} |")
