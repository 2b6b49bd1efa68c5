"""Single files out of package archives: the right bytes, or one clear error and nothing."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from polyreel.errors import ChecksumError, FetchError
from polyreel.packages.extract import extract
from polyreel.packages.members import Member

CONTENT = random.Random(0).randbytes(3_000) + b"a film " * 1_000
INNER = "package/media/film.mp4"
KINDS = ["a.whl", "a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tar.bz2", "a.deb"]

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
each_kind = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=needs_dpkg) if kind.endswith(".deb") else kind for kind in KINDS]
)


def wanted(**changes: object) -> Member:
    facts = {
        "registry": "pypi",
        "package": "package",
        "archive": "a.zip",
        "member": INNER,
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "bytes": len(CONTENT),
    }
    return Member.model_validate({**facts, **changes})


def pack(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(name, content)
    elif path.suffix == ".deb":
        _pack_deb(path, files)
    else:
        mode = {".gz": "w:gz", ".tgz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}.get(path.suffix, "w")
        with tarfile.open(path, mode) as packed:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                packed.addfile(entry, io.BytesIO(content))
    return path


def _pack_deb(path: Path, files: dict[str, bytes]) -> None:
    tree = path.with_suffix(".tree")
    control = "Package: film\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: film\n"
    for name, content in {**files, "DEBIAN/control": control.encode()}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    subprocess.run(["dpkg-deb", "--build", tree, path], check=True, capture_output=True)


@each_kind
def test_a_member_is_written_under_its_digest(tmp_path, kind):
    archive = pack(tmp_path / kind, {"package/other.py": b"raise SystemExit", INNER: CONTENT})
    extract(archive, [wanted()], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [wanted().file_name]
    assert (tmp_path / "out" / wanted().file_name).read_bytes() == CONTENT


@each_kind
def test_several_members_come_in_one_pass(tmp_path, kind):
    other = wanted(member="package/text.srt", sha256=hashlib.sha256(b"text").hexdigest(), bytes=4)
    extract(
        pack(tmp_path / kind, {INNER: CONTENT, other.member: b"text"}), [other, wanted()], tmp_path / "out"
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {wanted().file_name, other.file_name}


@each_kind
def test_other_content_is_a_checksum_error_and_nothing_is_written(tmp_path, kind):
    archive = pack(tmp_path / kind, {INNER: CONTENT[:-1] + b"!"})
    with pytest.raises(ChecksumError, match=r"film\.mp4") as caught:
        extract(archive, [wanted()], tmp_path / "out")
    assert caught.value.remedy
    assert list((tmp_path / "out").iterdir()) == []


@each_kind
def test_shorter_content_is_a_checksum_error(tmp_path, kind):
    with pytest.raises(ChecksumError, match="9,999 bytes"):
        extract(pack(tmp_path / kind, {INNER: CONTENT[:9_999]}), [wanted()], tmp_path / "out")


@each_kind
def test_a_member_that_swells_is_given_up_early(tmp_path, kind):
    archive = pack(tmp_path / kind, {INNER: CONTENT + bytes(30 << 20)})
    with pytest.raises(ChecksumError) as caught:
        extract(archive, [wanted()], tmp_path / "out")
    seen = int(str(caught.value.value).split(" ")[0].replace(",", ""))
    assert len(CONTENT) < seen <= len(CONTENT) + (1 << 20)
    assert list((tmp_path / "out").iterdir()) == []


@each_kind
def test_a_missing_member_is_named(tmp_path, kind):
    with pytest.raises(FetchError, match=r"no such file.*package/media/film\.mp4"):
        extract(pack(tmp_path / kind, {"package/x": b"x"}), [wanted()], tmp_path / "out")


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize("name", ["../../film.mp4", "/tmp/film.mp4", "a/../../film.mp4"])
def test_no_name_leads_out_of_the_folder(tmp_path, kind, name):
    archive = pack(tmp_path / kind, {name: CONTENT})
    before = set(tmp_path.rglob("*"))
    extract(archive, [wanted(member=name)], tmp_path / "out")
    assert set(tmp_path.rglob("*")) - before == {tmp_path / "out", tmp_path / "out" / wanted().file_name}


@pytest.mark.parametrize("link", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_regular_files_are_taken_from_a_tar(tmp_path, link):
    (tmp_path / "secret").write_bytes(CONTENT)
    entry = tarfile.TarInfo(INNER)
    entry.type, entry.linkname = link, str(tmp_path / "secret")
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        packed.addfile(entry)
    with pytest.raises(FetchError, match="no such file"):
        extract(tmp_path / "a.tar", [wanted()], tmp_path / "out")


def test_a_link_in_a_zip_is_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(CONTENT)
    entry = zipfile.ZipInfo(INNER)
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(entry, str(tmp_path / "secret"))
    with pytest.raises(ChecksumError):
        extract(tmp_path / "a.zip", [wanted()], tmp_path / "out")


def test_a_link_at_the_place_of_the_file_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / wanted().file_name).symlink_to(tmp_path / "victim")
    extract(pack(tmp_path / "a.zip", {INNER: CONTENT}), [wanted()], tmp_path / "out")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert (tmp_path / "out" / wanted().file_name).read_bytes() == CONTENT


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_a_damaged_archive_gives_the_right_bytes_or_a_fetch_error(tmp_path, kind):
    whole = pack(tmp_path / kind, {"package/first": b"x" * 99, INNER: CONTENT}).read_bytes()
    harmed = tmp_path / f"harmed-{kind}"
    for seed in range(60):
        generator = random.Random(seed)
        data = bytearray(whole[: generator.randrange(len(whole))] if seed % 3 == 0 else whole)
        for _ in range(generator.choice((0, 1, 3, 20)) if data else 0):
            data[generator.randrange(len(data))] = generator.randrange(256)
        harmed.write_bytes(data)
        assert come_right_or_fail_clearly(harmed, tmp_path / "out")


def come_right_or_fail_clearly(archive: Path, folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        extract(archive, [wanted()], folder)
    except FetchError:
        return not folder.exists() or list(folder.iterdir()) == []
    return (folder / wanted().file_name).read_bytes() == CONTENT


@needs_dpkg
def test_what_is_no_debian_package_is_a_fetch_error(tmp_path, capfd):
    (tmp_path / "a.deb").write_bytes(b"!<arch>\nnot a package")
    with pytest.raises(FetchError, match=r"a\.deb"):
        extract(tmp_path / "a.deb", [wanted()], tmp_path / "out")
    assert capfd.readouterr().err == ""


def test_a_missing_archive_is_a_fetch_error(tmp_path):
    for kind in ("a.zip", "a.tar.gz"):
        with pytest.raises(FetchError, match="cannot be read"):
            extract(tmp_path / kind, [wanted()], tmp_path / "out")
