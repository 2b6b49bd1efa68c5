"""Find videos in folders, of this machine or of a bucket.

Symbolic links inside a folder are not followed: they can lead out of it or in a ring.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from polyreel.errors import MediaError, UsageError
from polyreel.files import read_regular
from polyreel.library.index.ignoring import IGNORE_FILE, SERVICE_FOLDERS, Ignored
from polyreel.library.index.named_paths import irregular, not_to_be_seen
from polyreel.library.store.file_version import FileVersion
from polyreel.media.subtitles import sidecars_among, sidecars_in, stem_key
from polyreel.media.suffixes import VIDEO_SUFFIXES
from polyreel.remote.address import BucketPath, bucket_answers, film_place
from polyreel.remote.objects import ObjectFacts

__all__ = ["VIDEO_SUFFIXES", "FoundVideo", "Scan", "look_at", "require_paths", "scan", "shown_path"]

_SUFFIXES_OF_PROGRAMS = frozenset([".mts", ".ts"])
_HEAD_BYTES = 1024
_PATTERNS_BYTES = 1 << 20
_NAME_BYTES = 255  # of a file, on the disks of Linux
_AS_IN_GIT = "Write it as in a .gitignore"


@dataclass(frozen=True, slots=True)
class FoundVideo:
    """A file that should be a video.

    Attributes:
        path: absolute.
        version: what tells a changed file without reading it.
        sidecars: names, sizes and times of its subtitle files as one string, for the same purpose.
        sidecar_names: their names, so that nobody need list the folder again.
    """

    path: Path
    version: FileVersion
    sidecars: str
    sidecar_names: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Its size."""
        return self.version.size_bytes

    def has_changed(self) -> bool:
        """Whether it is another by now, or gone. Of a bucket that is silent just now, the next run asks."""
        try:
            return FileVersion.of(self.path.stat()) != self.version
        except (FileNotFoundError, PermissionError):
            return True
        except OSError:
            return not isinstance(self.path, BucketPath)


@dataclass(slots=True)
class Scan:
    """What a walk found.

    Attributes:
        roots: the absolute paths that were asked for.
        videos: found files, in order of path.
        problems: folders and files that could not be looked at.
        unseen: folders that could not be listed, and films that are being written; what the library knows at
            or below them is not taken for deleted.
        links: symbolic links that were passed over.
        empty: folders without anything in them, where a drive may not be mounted.
        excluded: files and folders that were passed over because a pattern names them.
        texts: files that are named like a transport stream and hold TypeScript.
    """

    roots: list[Path] = field(default_factory=list)
    videos: list[FoundVideo] = field(default_factory=list)
    problems: list[MediaError] = field(default_factory=list)
    unseen: list[Path] = field(default_factory=list)
    links: int = 0
    empty: list[Path] = field(default_factory=list)
    excluded: list[Path] = field(default_factory=list)
    texts: int = 0

    def set_aside(self, busy: Collection[Path]) -> None:
        """Leave films as they were that are being written, or whose subtitles are.

        Args:
            busy: those files.
        """
        if not busy:  # as nearly always: an archive has many films
            return
        left = {
            video.path
            for video in self.videos
            if video.path in busy or any(video.path.with_name(name) in busy for name in video.sidecar_names)
        }
        self.videos = [video for video in self.videos if video.path not in left]
        self.unseen += left


def scan(
    paths: Iterable[Path],
    *,
    exclude: Sequence[str] = (),
    missing: bool = False,
    known: Iterable[str] = (),
) -> Scan:
    """Walk ``paths``: files are taken whatever their names, folders are searched for video files.

    Args:
        paths: files and folders.
        exclude: patterns, as in a ``.gitignore``, of what to pass over in each folder of ``paths``; files
            named ``.polyreelignore`` inside say more.
        missing: whether a path may be gone. It then holds nothing.
        known: paths of files that were taken before. In a folder they are taken whatever their names, hidden
            or behind a link, as somebody has named them then; but not if a pattern does.

    Raises:
        UsageError: a path does not exist or cannot be looked at, or a bucket cannot be asked.
    """
    result = Scan()
    found: dict[Path, FoundVideo] = {}
    subtitles, taken = _Sidecars(), _Known.of(known)
    for given in paths:
        root = _root(given, missing)
        result.roots.append(root)
        if isinstance(root, BucketPath):
            _look_in_bucket(root, result, found, exclude, taken)
            continue
        candidates: Iterable[Path] = [root] if root.exists() else []
        if root.is_dir():
            candidates = _walk(root, result, exclude, taken)
        for path in candidates:
            _examine(path, result, found, subtitles, taken.files)
    result.videos = [found[path] for path in sorted(found)]
    return result


def look_at(path: Path) -> FoundVideo | None:
    """One file of a disk as it is now, with its subtitle files; None where it cannot be looked at."""
    try:
        return FoundVideo(path, FileVersion.of(path.stat()), *_Sidecars().of(path))
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class _Known:
    """Files that were taken before, and all folders above them."""

    files: frozenset[str]
    folders: frozenset[str]

    @classmethod
    def of(cls, files: Iterable[str]) -> _Known:
        paths, folders = frozenset(files), set[str]()
        for path in paths:
            above = path.rpartition("/")[0]
            while above and above not in folders:
                folders.add(above)
                above = above.rpartition("/")[0]
        return cls(paths, frozenset(folders))

    def holds(self, path: Path) -> bool:
        """Whether it is one of the files, or of the folders."""
        return str(path) in self.files or str(path) in self.folders


def require_paths(paths: Iterable[Path]) -> None:
    """That all of them are there, before anything that takes long.

    Raises:
        UsageError: a path does not exist.
    """
    for path in paths:
        _root(path, missing=False)


def _root(given: Path, missing: bool) -> Path:
    root = film_place(given)
    if isinstance(root, BucketPath):
        return _bucket_root(root, missing)
    try:
        root.stat()
    except OSError as error:
        if missing and isinstance(error, FileNotFoundError):
            return root
        raise not_to_be_seen(root, error) from error
    return root


def _bucket_root(root: BucketPath, missing: bool) -> BucketPath:
    """An address that can be listed: one that cannot must not look like a folder that was emptied."""
    try:
        root.facts()
    except FileNotFoundError as error:
        if missing and root != root.bucket and root.bucket.exists():
            return root
        raise UsageError(
            "there is nothing at this address",
            item=root,
            value=error.strerror,
            remedy="Check its spelling; --prune forgets what lay there",
        ) from error
    except OSError as error:
        raise _not_listed(root, error) from error
    return root


def _not_listed(place: BucketPath, error: OSError) -> UsageError:
    return UsageError(
        "the bucket cannot be listed",
        item=place,
        value=error.strerror,
        remedy="Check the address, the credentials in the environment and the network",
    )


def _look_in_bucket(
    root: BucketPath, result: Scan, found: dict[Path, FoundVideo], exclude: Sequence[str], known: _Known
) -> None:
    """Find the videos at and below an address by listings alone."""
    try:
        facts = root.facts()
    except FileNotFoundError:  # it may be gone
        return
    except OSError as error:
        result.unseen.append(root)
        result.problems.append(_unlisted(root, error))
        return
    try:
        patterns = Ignored().below(root, exclude)
    except ValueError as error:
        raise UsageError("a pattern cannot be read", value=error, remedy=_AS_IN_GIT) from error
    if not facts.is_folder:
        beside = _listed(root.parent, result) or []
        kinds = {each.is_folder for path, each in beside if path == root}
        # An object may have the name of a folder, and what is known in that is not gone for it.
        if False in kinds and (True not in kinds or root.suffix.lower() in VIDEO_SUFFIXES):
            _take(beside, [root], found)
        if True not in kinds:
            return
    waiting = [(root, patterns, False)]
    while waiting:
        folder, ignored, is_service = waiting.pop()
        listed = _listed(folder, result)
        if listed is None:
            continue
        if any(path.name == IGNORE_FILE and not facts.is_folder for path, facts in listed):
            ignored = _with_patterns_of(folder, ignored, result)
        videos = []
        for path, facts in listed:
            passed_over = is_service or _is_service(path.name, facts.is_folder)
            if passed_over and not known.holds(path):
                continue
            if ignored.matches(path, facts.is_folder):
                result.excluded.append(path)
            elif facts.is_folder:
                waiting.append((path, ignored, passed_over))
            elif path.suffix.lower() in VIDEO_SUFFIXES or str(path) in known.files:
                videos.append(path)
        _take(listed, videos, found)


def _listed(folder: BucketPath, result: Scan) -> list[tuple[BucketPath, ObjectFacts]] | None:
    """What lies directly below a folder, by name; None if that cannot be told.

    Raises:
        UsageError: the bucket does not answer any more, and each of its folders would be waited for.
    """
    try:
        listing = folder.entries()
    except OSError as error:
        if not bucket_answers(folder.bucket):
            raise _not_listed(folder, error) from error
        result.unseen.append(folder)
        result.problems.append(_unlisted(folder, error))
        return None
    listed = []
    for facts in sorted(listing, key=lambda each: each.address):
        path = BucketPath(facts.address)
        # "a//b" and "a/../b" are names like any other in a bucket, and none that a path can have.
        if str(path) != facts.address or path.name in {"", ".."} or path.parent != folder:
            what = "the name of the object cannot be a path"
        elif not facts.is_folder and len(os.fsencode(path.name)) > _NAME_BYTES:
            what = "the name of the object is too long for a file, to which it is fetched"
        else:
            listed.append((path, facts))
            continue
        result.problems.append(MediaError(what, item=facts.address, remedy="Rename it"))
    return listed


def _take(
    listed: Sequence[tuple[BucketPath, ObjectFacts]],
    wanted: Sequence[BucketPath],
    found: dict[Path, FoundVideo],
) -> None:
    """Take some objects of one folder, with their subtitle files."""
    objects: dict[Path, ObjectFacts] = {path: facts for path, facts in listed if not facts.is_folder}
    subtitles = sidecars_among(objects)
    for path in wanted:
        own = subtitles.get(stem_key(path), ())
        versions = (f"{each.name}:{objects[each].size_bytes}:{objects[each].mtime_ns}" for each in own)
        found[path] = FoundVideo(
            path,
            FileVersion(objects[path].size_bytes, objects[path].mtime_ns),
            "|".join(versions),
            tuple(each.name for each in own),
        )


def _walk(root: Path, result: Scan, exclude: Sequence[str], known: _Known) -> Iterator[Path]:
    """Files under ``root`` that may be videos. One folder after the other, whatever the depth."""
    try:
        waiting = [(root, Ignored().below(root, exclude), False)]
    except ValueError as error:
        raise UsageError("a pattern cannot be read", value=error, remedy=_AS_IN_GIT) from error
    while waiting:
        folder, ignored, is_service = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            result.unseen.append(folder)
            result.problems.append(_unlisted(folder, error))
            continue
        if not entries:
            result.empty.append(folder)
        if any(entry.name == IGNORE_FILE for entry in entries):
            ignored = _with_patterns_of(folder, ignored, result)
        below = []
        for entry in entries:
            path = Path(entry.path)
            is_folder = _is_folder(entry)
            passed_over = is_service or _is_service(entry.name, is_folder)
            if passed_over and not known.holds(path):
                continue
            if ignored.matches(path, is_folder):
                result.excluded.append(path)
            elif is_folder:
                below.append((path, ignored, passed_over))
            elif _links_to_folder(entry):
                # Into a ring only as far as somebody has named files in it.
                if str(path) in known.folders:
                    below.append((path, ignored, True))
                else:
                    result.links += 1
            elif path.suffix.lower() in VIDEO_SUFFIXES or str(path) in known.files:
                yield path
        waiting += reversed(below)


def _is_service(name: str, is_folder: bool) -> bool:
    """Whether nobody looks for videos there: what is hidden holds caches, trash, or a library."""
    return name.startswith(".") or (is_folder and name in SERVICE_FOLDERS)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # gone meanwhile, or a disk that fails: looking at it will say so
        return False


def _links_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:  # a ring
        return False


def _unlisted(folder: Path, error: OSError) -> MediaError:
    return MediaError(
        "the folder cannot be read",
        item=shown_path(folder),
        value=error.strerror,
        remedy="Check who may read the folder" if isinstance(error, PermissionError) else None,
    )


def _unseen(path: Path, error: OSError) -> MediaError:
    remedy = f"Check who may read and enter {path.parent}" if isinstance(error, PermissionError) else None
    return MediaError("the file cannot be looked at", item=path, value=error.strerror, remedy=remedy)


def _with_patterns_of(folder: Path, ignored: Ignored, result: Scan) -> Ignored:
    path = folder / IGNORE_FILE
    try:
        text = path.head(_PATTERNS_BYTES) if isinstance(path, BucketPath) else read_regular(path)
        return ignored.below(folder, text.decode("utf-8", "replace").splitlines())
    except OSError as error:
        result.problems.append(MediaError("the file cannot be read", item=path, value=error.strerror))
    except ValueError as error:
        result.problems.append(
            MediaError("a pattern cannot be read", item=path, value=error, remedy=_AS_IN_GIT)
        )
    return ignored


def _examine(
    path: Path,
    result: Scan,
    found: dict[Path, FoundVideo],
    subtitles: _Sidecars,
    known: Collection[str],
) -> None:
    try:
        str(path).encode()
        facts = path.lstat() if path not in result.roots else path.stat()
        if stat.S_ISLNK(facts.st_mode) and str(path) in known and path.is_file():
            facts = path.stat()
        program = _is_program_text(path) if stat.S_ISREG(facts.st_mode) else False
    except UnicodeEncodeError:
        result.problems.append(
            MediaError("the file name is not valid UTF-8", item=shown_path(path), remedy="Rename it")
        )
        return
    except OSError as error:
        result.problems.append(_unseen(path, error))
        return
    if stat.S_ISLNK(facts.st_mode):
        result.links += 1
    elif program:
        result.texts += 1
    elif stat.S_ISREG(facts.st_mode):
        found[path] = FoundVideo(path, FileVersion.of(facts), *subtitles.of(path))
    else:
        result.problems.append(irregular(path, facts.st_mode))


def _is_program_text(path: Path) -> bool:
    """Whether a ``.ts`` or ``.mts`` file is TypeScript: text, where a transport stream has binary packets."""
    if path.suffix.lower() not in _SUFFIXES_OF_PROGRAMS:
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head or b"\0" in head:
        return False
    try:
        # The last character may be cut.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def shown_path(path: Path) -> str:
    """A path as UTF-8 can say it: a name of other bytes has replacement characters."""
    return os.fsencode(path).decode("utf-8", "replace")


class _Sidecars:
    """Looks up the subtitle files of many videos, listing each folder once."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[Path]]] = {}

    def of(self, video: Path) -> tuple[str, tuple[str, ...]]:
        """Names, sizes and times as one string, and the names."""
        if video.parent not in self._folders:
            self._folders[video.parent] = sidecars_in(video.parent)
        parts, names = [], []
        for sidecar in self._folders[video.parent].get(stem_key(video), ()):
            try:
                facts = sidecar.stat()
            except OSError:
                continue
            parts.append(f"{shown_path(Path(sidecar.name))}:{facts.st_size}:{facts.st_mtime_ns}")
            names.append(sidecar.name)
        return "|".join(parts), tuple(names)
