"""Options that several verbs share."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, Token, validators

from polyreel.cli.output import show_progress, stderr
from polyreel.errors import UsageError
from polyreel.extras import missing_extra
from polyreel.files import absolute
from polyreel.remote.address import film_place, given_path, on_a_disk

if TYPE_CHECKING:
    from polyreel.encoders.runtime import Bundle
    from polyreel.scale.cluster import Cluster

__all__ = [
    "AskedPath",
    "Device",
    "Json",
    "Languages",
    "LibrariesOption",
    "LibraryOption",
    "Ray",
    "Seed",
    "SpeechDevice",
    "SpeechModel",
    "absolute",
    "default_library",
    "given_cluster",
    "load_bundle",
    "one_film",
    "own_command",
    "require_torch",
    "spoken_languages",
    "wanted_device",
]


def _split_at_commas(_type: type, tokens: Sequence[Token]) -> list[str]:
    return [part.strip() for token in tokens for part in token.value.split(",") if part.strip()]


def _as_given(_type: type, tokens: Sequence[Token]) -> Path:
    return given_path(tokens[0].value)


AskedPath = Annotated[Path, Parameter(converter=_as_given)]
"""A path of the command line; an address keeps its slashes, and is shown with them."""

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document on stdout.")]
Seed = Annotated[int, Parameter(help="Seed of the resampling.", validator=validators.Number(gte=0))]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "openvino", "coreml", "directml", "migraphx"] | None,
    Parameter(
        help="What runs the bundle, if its build of ONNX Runtime is installed; else $POLYREEL_DEVICE, cpu."
    ),
]
Languages = Annotated[
    list[str] | None,
    Parameter(
        name="--languages",
        negative="",
        converter=_split_at_commas,
        help="Languages that are likely to be spoken, such as de,sw; others are possible.",
    ),
]
SpeechModel = Annotated[
    str | None,
    Parameter(
        name="--speech-model",
        help="What hears: whisper-base; another by name, such as whisper-small, whisper-large-v3 or "
        "distil-large-v3, fetched from the Hugging Face hub; or the folder of one in CTranslate2's format.",
    ),
]
SpeechDevice = Annotated[
    Literal["auto", "cpu", "cuda"] | None,
    Parameter(
        name="--device", help="What hears; else $POLYREEL_DEVICE, or a GPU where CTranslate2 finds one."
    ),
]
Ray = Annotated[list[str] | None, Parameter(negative="", consume_multiple=(0, 1))]
LibraryOption = Annotated[
    AskedPath | None,
    Parameter(
        name="--library",
        help="Folder of the library; by default $POLYREEL_LIBRARY or ~/.local/share/polyreel/library.",
    ),
]
LibrariesOption = Annotated[
    list[AskedPath] | None,
    Parameter(
        name="--library",
        negative="",
        help="Folder of the library; by default $POLYREEL_LIBRARY or ~/.local/share/polyreel/library. "
        "Several are searched as one: --library DIR --library DIR.",
    ),
]


def default_library(given: Path | None) -> Path:
    """The library that a command means. Raises as ``on_a_disk``."""
    from polyreel.library.user_library import user_library

    return user_library() if given is None else on_a_disk(given)


def one_film(given: Path) -> Path:
    """A film that a command reads, from the root.

    Raises:
        UsageError: it is a folder, or an address that is not read.
    """
    found = film_place(given)
    if found.is_dir():
        raise UsageError("a folder is not a video", item=found, remedy="Name the videos in it, one by one")
    return found


def load_bundle(name_or_folder: str, device: str | None = None) -> Bundle:
    """The bundle of that name or folder; one that can be built is built on first use, with progress.

    What runs it is said where it is not the CPU, or where a device was asked for.
    """
    from polyreel.encoders.devices import CPU
    from polyreel.encoders.registry import locate_bundle
    from polyreel.encoders.runtime import Bundle

    with show_progress() as show:
        step = show.part_of("building the bundle")
        folder = locate_bundle(name_or_folder, download=show.download, step=step)
    bundle = Bundle(folder, device=device)
    if device is not None or bundle.device != CPU:
        stderr.print(f"Device: {bundle.device}", style="dim")
    return bundle


def wanted_device(given: str | None) -> str | None:
    """The device that is asked for, by the option or by ``$POLYREEL_DEVICE``."""
    from polyreel.encoders.devices import DEVICE_VARIABLE

    return given or os.environ.get(DEVICE_VARIABLE)


def given_cluster(ray: list[str] | None, *, cpus: int | None) -> Cluster | None:
    """The cluster that ``--ray`` stands for, not joined yet; None without that option.

    Args:
        ray: what stands behind it: nothing is a cluster of this machine alone.
        cpus: how many that one has; None is all that this process may use.

    Raises:
        UsageError: this is no address, or Ray is not installed.
    """
    from polyreel.scale.cluster import LOCAL, Cluster

    if ray is None:
        return None
    return Cluster(ray[0] if ray else LOCAL, cpus=cpus or len(os.sched_getaffinity(0)))


def own_command() -> str:
    """How this polyreel is called from any folder, quoted for a shell: by its name where that finds it."""
    called = Path(sys.argv[0])
    if called.name != "polyreel":  # such as python -m polyreel
        return f"{shlex.quote(sys.executable)} -m polyreel"
    found = shutil.which("polyreel")
    is_found = found is not None and called.exists() and Path(found).samefile(called)
    return "polyreel" if is_found else shlex.quote(str(called.absolute()))


def spoken_languages() -> list[str]:
    """BCP-47 tags of the languages that the user's environment names, the likeliest first."""
    named = [os.environ.get(name, "") for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")]
    # "de_CH.UTF-8@euro" is Swiss German; "C" and "POSIX" are no languages.
    return [
        tag
        for each in ":".join(named).split(":")
        if (tag := each.partition(".")[0].partition("@")[0].replace("_", "-")) and tag not in {"C", "POSIX"}
    ]


def require_torch() -> None:
    """Ask for the extra ``train`` before anything is loaded.

    Raises:
        UsageError: PyTorch is not installed.
    """
    if find_spec("torch") is None:
        raise missing_extra("train", "training needs PyTorch, which is not here")
