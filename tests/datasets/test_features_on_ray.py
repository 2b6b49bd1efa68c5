"""Features that are made on a Ray cluster: the bytes of a run on this machine, whatever ends meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_records import record

from clusters import Nodes, needs_ray, readers, three_nodes
from polyreel.cli.app import main
from polyreel.datasets.records import Frames, VideoFile
from polyreel.datasets.store import bundle_features
from polyreel.datasets.store.bundle_features import add_bundle_features
from polyreel.datasets.store.features_on_ray import RayFeatures
from polyreel.datasets.store.table_writer import write_table
from polyreel.encoders.on_node import NodeBundle
from polyreel.media.jpeg import encode_jpeg
from polyreel.scale.cluster import Cluster
from tiny_bundle import PALETTE
from videos import scenes, solid, write_video

pytestmark = [pytest.mark.slow, *needs_ray]

MEDIA = 12


@pytest.fixture
def table(tmp_path) -> Path:
    """Clips of films, a photo, a file that is not a film, and text alone, in two tables."""
    colours, records = list(PALETTE), []
    for number in range(MEDIA):
        first, second = colours[number % 6], colours[(number + 1) % 6]
        path = tmp_path / f"{number}.mp4"
        write_video(
            path, seconds=8, fps=5, picture=scenes((4, solid(PALETTE[first])), (8, solid(PALETTE[second])))
        )
        records += [record(f"film{number}", media=VideoFile(path), start_s=at, end_s=at + 3) for at in (0, 4)]
    (tmp_path / "red.jpg").write_bytes(encode_jpeg(solid(PALETTE["red"])(0)))
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    records.insert(5, record("broken", media=VideoFile(tmp_path / "broken.mp4")))
    records.insert(9, record("photo", media=Frames(tmp_path, ("red.jpg",))))
    records.append(record("text"))
    for name in ("alone", "table"):
        write_table(tmp_path / name, records, name="colours")
    return tmp_path / "table"


def files(folder: Path) -> dict[str, bytes]:
    below = (path for path in (folder / "features").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in below}


@pytest.fixture(autouse=True)
def _every_clip_is_a_file(monkeypatch):
    """Else a minute of work is, by the clock."""
    monkeypatch.setattr(bundle_features, "_PART_S", 0.0)


@pytest.fixture(scope="module")
def nodes():
    with three_nodes() as cluster:
        yield cluster


@pytest.mark.parametrize("lost", ["nothing", "a reader", "the driver"])
def test_they_are_the_bytes_of_a_run_on_this_machine(nodes: Nodes, table, tiny_bundle, lost):
    add_bundle_features(table.parent / "alone", tiny_bundle)
    there = NodeBundle(str(tiny_bundle.folder), tiny_bundle.card.identity)
    encode = RayFeatures(Cluster(nodes.address), there, tiny_bundle.card.frames.dim)
    left = [] if lost == "nothing" else [4]

    def lose(done: int, _total: int) -> None:
        if left and done >= left[0]:
            left.clear()
            if lost == "the driver":
                raise KeyboardInterrupt
            readers("_FeatureReader")[0].kill()

    if lost == "the driver":
        with pytest.raises(KeyboardInterrupt):
            add_bundle_features(table, tiny_bundle, progress=lose, encode=encode)
    add_bundle_features(table, tiny_bundle, progress=lose, encode=encode)
    assert not left
    assert files(table) == files(table.parent / "alone")


def test_the_command_makes_them_on_a_cluster_of_this_machine(table, tiny_bundle, capsys):
    told = {}
    for name, options in (("alone", ()), ("table", ("--ray",))):
        folder = str(table.parent / name)
        assert (
            main(["data", "features", folder, "--bundle", str(tiny_bundle.folder), "--json", *options]) == 0
        )
        told[name] = json.loads(capsys.readouterr().out)["features"]
    assert told["alone"] == told["table"]
    ((features),) = told["table"].values()
    assert (features["clips"], features["broken"]) == (2 * MEDIA + 1, 1)
    assert files(table) == files(table.parent / "alone")
