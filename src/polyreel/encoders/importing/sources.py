"""Where a model comes from: a folder of this machine, or a name on the Hugging Face hub."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path

from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.errors import ChecksumError, FetchError, PolyreelError, UsageError
from polyreel.files import write_atomically
from polyreel.packages.members import cache_dir, sha256_of
from polyreel.progress import OnProgress, ignore_progress

__all__ = ["find_model", "wanted_files"]

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PLAIN_PATH = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*")
_TEXTS = (".json", ".txt", ".model", "README.md")
_PIECE_BYTES = 1 << 20
# Other engines' copies of the same weights.
_OTHERS = re.compile(r"^(openvino|coreml|flax|tf|gguf)/|(fp16|bf16|q4|q4f16|uint8|bnb4|quantized)\.onnx")


def find_model(
    source: str,
    *,
    revision: str | None = None,
    offline: bool = False,
    wanted: Callable[[Sequence[str]], list[str]] | None = None,
    download: OnProgress | None = None,
) -> HubFolder:
    """The folder of a model; what is on the hub is downloaded first, and resumed where it broke off.

    Args:
        source: a folder, or a name on the hub such as ``google/siglip2-base-patch16-256``.
        revision: branch, tag or commit on the hub; its default branch by default. The commit is pinned.
        offline: take what was downloaded before, and ask nobody.
        wanted: picks among the names of its files; None for ``wanted_files``.
        download: called with the name of a file, its bytes that have arrived, and all of them.

    Raises:
        UsageError: the source is neither, or a revision was given for a folder.
        FetchError: the hub has no such model, does not give it, or cannot be reached.
    """
    folder = Path(source).expanduser()
    if source and folder.is_dir():
        if revision is not None:
            raise UsageError("a folder has no revisions", item=source, remedy="Leave --revision out")
        return HubFolder(folder, folder.resolve().name)
    if not _NAME.fullmatch(source):
        raise UsageError(
            "neither a folder nor a name on the hub",
            item=source,
            remedy="Name a folder with a model's files, or OWNER/MODEL",
        )
    try:
        return _downloaded(source, revision, offline, wanted or wanted_files, download or ignore_progress)
    except PolyreelError:
        raise
    # Its errors come from the hub's client, from the client of HTTP below it, and from the disk.
    except Exception as error:
        raise _told(source, revision, error, offline=offline) from error


def wanted_files(names: Sequence[str], *, exports: bool | None = None) -> list[str]:
    """Those of a model's files that an import reads: weights as safetensors, or else ready graphs.

    Args:
        names: of all its files.
        exports: whether weights can be exported here; None looks whether PyTorch is installed. Where they
            cannot, ready graphs come first.

    Raises:
        FetchError: weights are there in other formats only.
    """
    plain = [name for name in names if _PLAIN_PATH.fullmatch(name) and not _OTHERS.search(name)]
    texts = [name for name in plain if name.endswith(_TEXTS)]
    weights = [name for name in plain if name.endswith(".safetensors")]
    graphs = [name for name in plain if ".onnx" in Path(name).name]
    able = find_spec("torch") is not None if exports is None else exports
    if graphs and not (able and any("/" not in name for name in weights)):
        # Layers behind a ready graph have their weights in folders of their own.
        weights = [*graphs, *(name for name in weights if "/" in name)]
    if not weights:
        raise FetchError(
            "the model has neither safetensors nor ONNX files, the only formats that are read",
            value=", ".join(sorted(set(names) - set(texts))[:5]) or "no files",
            remedy="A pickle can run any code when it is read. Look for a revision with safetensors",
        )
    return sorted({*texts, *weights})


def _downloaded(
    source: str,
    revision: str | None,
    offline: bool,
    wanted: Callable[[Sequence[str]], list[str]],
    download: OnProgress,
) -> HubFolder:
    """The model's folder in our cache; ``REVISION.commit`` beside it says which commit a revision was."""
    home = cache_dir() / "hub" / source.replace("/", "--")
    pointer = home / f"{(revision or 'default').replace('/', '--')}.commit"
    if offline:
        commit = pointer.read_text(encoding="utf-8").strip()
        return HubFolder(home / commit, source, commit)
    # Imported late: it takes a third of a second.
    from huggingface_hub import HfApi

    info = HfApi().model_info(source, revision=revision, files_metadata=True)
    commit = str(info.sha)
    files = {str(file.rfilename): file for file in info.siblings or ()}
    for name in wanted(list(files)):
        facts = files[name]
        sha256 = facts.lfs.sha256 if facts.lfs is not None else None
        _fetch(source, name, commit, home / commit, size=facts.size, sha256=sha256, download=download)
    write_atomically(pointer, commit.encode())
    return HubFolder(home / commit, source, commit)


def _fetch(
    source: str,
    name: str,
    commit: str,
    folder: Path,
    *,
    size: int | None,
    sha256: str | None,
    download: OnProgress,
) -> None:
    """Bring one file. Its part stays where the connection breaks: the hub's own client would drop it."""
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import hf_raise_for_status

    path = folder / name
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    have = part.stat().st_size if part.exists() else 0
    if size is None or have != size:
        url, headers = hf_hub_url(source, name, revision=commit), build_hf_headers()
        headers |= {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {}
        with get_session().stream("GET", url, headers=headers, follow_redirects=True) as answer:
            hf_raise_for_status(answer)
            have = have if answer.status_code == HTTPStatus.PARTIAL_CONTENT else 0
            with part.open("ab" if have else "wb") as file:
                for piece in answer.iter_bytes(_PIECE_BYTES):
                    file.write(piece)
                    have += len(piece)
                    download(name, have, size)
    if (size is not None and have != size) or (sha256 is not None and sha256_of(part) != sha256):
        part.unlink()
        raise ChecksumError(
            "a file of the model arrived damaged",
            item=f"{source}/{name}",
            value=f"{have:,} bytes",
            remedy="Run the command again",
        )
    part.replace(path)


def _told(source: str, revision: str | None, error: Exception, *, offline: bool) -> FetchError:
    from huggingface_hub import errors

    said = (str(error).strip().splitlines() or [""])[0][:160]
    if offline:
        return FetchError(
            "the model was not downloaded before", item=source, remedy="Leave --offline out, with a network"
        )
    if isinstance(error, errors.GatedRepoError):
        return FetchError(
            "the makers of this model ask for an account on the hub",
            item=source,
            remedy="Accept their terms on the model's page and log in with 'hf auth login'",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return FetchError(
            "the hub has no model of this name, or not for you", item=source, remedy="Check the spelling"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return FetchError("the model has no such revision", item=source, value=revision)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return FetchError("the disk is full", item=source, remedy="Free some space; what has arrived is kept")
    return FetchError(
        "the hub did not deliver the model",
        item=source,
        value=f"{type(error).__name__}: {said}",
        remedy="Check the network and run the command again; what has arrived is kept",
    )
