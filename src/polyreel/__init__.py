"""Search video in any language; train and measure the multilingual models behind it.

Everything here is imported when it is first used, so that ``import polyreel`` costs next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from polyreel._version import __version__

# ONNX Runtime (1.32) otherwise keeps a number of this machine and sends events to its makers. Its Privacy.md
# says that this must be there before it is loaded; processes that are started from here inherit it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from pathlib import Path

    from polyreel import codeswitch, datasets, encoders, errors, losses, metrics
    from polyreel.client.opening import VideoLibrary
    from polyreel.client.opening import open_library as open  # noqa: A004
    from polyreel.client.remote import connect
    from polyreel.encoders.protocol import Encoder
    from polyreel.encoders.runtime import Bundle
    from polyreel.evaluation.mteb_model import MtebModel
    from polyreel.evaluation.results import Result
    from polyreel.library.index.events import IndexEvent
    from polyreel.library.index.hearing import HearingReport
    from polyreel.library.index.indexing import IndexReport
    from polyreel.library.results import ClipScore, Hit, SearchResult, Video
    from polyreel.library.search.filters import Filter

__all__ = [
    "ClipScore",
    "Encoder",
    "Filter",
    "Hit",
    "IndexReport",
    "Result",
    "SearchResult",
    "Video",
    "VideoLibrary",
    "__version__",
    "codeswitch",
    "connect",
    "datasets",
    "encoders",
    "errors",
    "evaluate",
    "index",
    "load_encoder",
    "losses",
    "metrics",
    "mteb_model",
    "open",
]


def index(
    paths: str | Path | Iterable[str | Path],
    library: str | Path | None = None,
    *,
    bundle: str | Path | None = None,
    encoder: Encoder | None = None,
    workers: int | None = None,
    retry_failed: bool = False,
    prune: bool = False,
    exclude: Sequence[str] = (),
    keep_features: bool | None = None,
    speech: bool | None = None,
    screen_text: bool | None = None,
    languages: Sequence[str] | None = None,
    speech_model: str | Path | None = None,
    on_event: Callable[[IndexEvent], None] | None = None,
) -> IndexReport:
    """Make a library hold what lies in ``paths``, reading only what is new or changed.

    Once the pictures can be searched it listens to the videos, and then reads what is written in them, as
    the command line does.

    Args:
        paths: video files and folders of them, or a single one.
        library: folder of the library, made if it is not there. By default that of the command line:
            ``$POLYREEL_LIBRARY``, or a folder among the user's own data.
        bundle: name or folder of the bundle that encodes; by default the library's own. One that is not
            installed is built.
        encoder: an encoder of one's own in the place of a bundle. It stays in this process and is called from
            this thread. The library is bound to its card's identity; ``open`` has to be given it, too.
        workers: files that are decoded at once; by default one for each core.
        retry_failed: whether files that failed before, and have not changed, are read again.
        prune: whether missing files are forgotten even if nothing is left in their folder.
        exclude: patterns, as in a ``.gitignore``, of what is passed over.
        keep_features: whether what the bundle makes of each frame is kept, in this run and later ones, so
            that moves to bundles which differ only behind it need no videos; False lets go of what is kept.
        on_event: called with each step of the progress.

    Raises:
        UsageError: a path does not exist; an argument is of the wrong type; the encoder lacks a method,
            fails, or gives wrong answers; speech is asked for without the extra, or a language is none that
            is known.
        UnknownNameError: there is no such bundle or speech model.
        FetchError: weights of what was asked for cannot be had; the pictures are searchable.
        LibraryBusyError: another process is writing the library, or listening.
        BundleMismatchError: the library was made by another bundle or encoder.
        BundleError: the library was made by an encoder of one's own, and none is given.
        LibraryError: the disk is full or fails; what was committed stays.
    """
    from polyreel.errors import UsageError, require_type
    from polyreel.library.index.events import Recognised
    from polyreel.library.index.indexing import index as index_library
    from polyreel.library.index.line_stages import (
        LineStage,
        add_lines,
        line_stages,
        make_lines,
        require_wishes,
    )
    from polyreel.library.location import bundle_location, location_of
    from polyreel.library.own_encoder import own_encoder
    from polyreel.library.search.search import calibrate_library
    from polyreel.library.user_library import user_library
    from polyreel.media.limited import Limits
    from polyreel.remote.address import given_path, on_a_disk

    if isinstance(paths, str | os.PathLike):
        given: list[str | Path] = [paths]
    else:
        require_type(paths, Iterable, "what to index")
        given = list(paths)
    for path in given:
        require_type(path, (str, os.PathLike), "a path")
        if path == "":
            raise UsageError("a path is empty", remedy="For the current folder, say so: '.'")
    if not given:
        raise UsageError("nothing to index", value=repr(paths), remedy="Name a video or a folder of videos")
    patterns = [exclude] if isinstance(exclude, str) else list(exclude)
    for pattern in patterns:
        require_type(pattern, str, "a pattern of what to exclude")
    if library is not None:
        require_type(library, (str, os.PathLike), "the library's folder")
    if workers is not None:
        require_type(workers, int, "the number of workers")
    for wish, what in ((speech, "speech"), (screen_text, "screen_text")):
        if wish is not None:
            require_type(wish, bool, what)
    if speech_model is not None:
        require_type(speech_model, (str, os.PathLike), "the speech model")
    if on_event is not None and not callable(on_event):
        raise UsageError("on_event must be a function", value=f"{on_event!r:.60}")
    stages = line_stages(
        speech=speech,
        screen_text=screen_text,
        languages=languages,
        speech_model=None if speech_model is None else str(speech_model),
    )
    folder = user_library() if library is None else on_a_disk(library)
    require_wishes(stages, folder)
    if encoder is None:
        location = bundle_location(folder, None if bundle is None else str(bundle))
        loaded: Encoder = load_encoder(location)
    else:
        if bundle is not None:
            raise UsageError("a bundle and an encoder are given", item=bundle, remedy="Give one of them")
        loaded = own_encoder(encoder)
        location = location_of(loaded)
    wanted = [given_path(os.fspath(path)).expanduser() for path in given]
    report = index_library(
        wanted,
        folder,
        loaded,
        location=location,
        workers=workers or len(os.sched_getaffinity(0)),
        retry_failed=retry_failed,
        prune=prune,
        exclude=patterns,
        keep_features=keep_features,
        on_event=on_event,
    )
    if report.interrupted:
        return report
    # What texts a program's encoder is asked for is its own affair; ``Library.calibrate`` asks it for more.
    if encoder is None:
        calibrate_library(folder, loaded)

    def make(stage: LineStage) -> HearingReport | None:
        made = make_lines(
            stage,
            folder,
            loaded,
            location=location,
            paths=wanted,
            retry_failed=retry_failed,
            limits=Limits(),
            on_progress=on_event and (lambda now: on_event(Recognised(stage.source, now))),
        )
        if encoder is None and made is not None and made.lines:
            calibrate_library(folder, loaded)
        return made

    add_lines(report, stages, make)
    return report


def load_encoder(name_or_folder: str | Path = "small", *, threads: int = 0) -> Bundle:
    """Load a bundle by its name or from its folder; one that is not installed is built.

    Args:
        name_or_folder: name that ``polyreel bundles list`` shows, or a folder with a ``bundle.json``.
        threads: threads of each model; 0 takes one for each core.

    Raises:
        UnknownNameError: neither a known name nor a folder.
        FetchError: a package that the bundle is built from could not be had.
        BundleError: the bundle is damaged, or of another schema.
    """
    from polyreel.encoders.registry import locate_bundle
    from polyreel.encoders.runtime import Bundle

    return Bundle(locate_bundle(str(name_or_folder)), threads=threads)


def evaluate(
    encoder: Encoder | str | Path,
    benchmark: str,
    *,
    data: str | Path | None = None,
    languages: Sequence[str] | None = None,
    seed: int = 0,
) -> Result:
    """Measure an encoder on a benchmark, per language and across languages.

    Args:
        encoder: a loaded bundle, name or folder of one, or any object with the methods of ``Encoder``.
        benchmark: name of the benchmark, as ``polyreel eval`` lists them.
        data: folder of the data, where they are not fetched.
        languages: BCP-47 tags of the queries; by default all that the benchmark has.
        seed: seed of the bootstrap.

    Raises:
        UsageError: the encoder lacks a method or gives wrong answers.
        UnknownNameError: there is no such bundle or benchmark.
        DatasetError: data are missing, damaged, or not of the size that the benchmark states.
    """
    from pathlib import Path

    from polyreel.evaluation.run import evaluate as measure

    loaded = load_encoder(encoder) if isinstance(encoder, str | Path) else encoder
    data = data if data is None else Path(data).expanduser() if isinstance(data, str | Path) else data
    return measure(loaded, benchmark, data=data, languages=languages, seed=seed)


def mteb_model(encoder: Encoder | str | Path = "small", *, max_frames: int = 64) -> MtebModel:
    """A bundle as a model that ``mteb.evaluate`` measures. Needs the extra ``mteb``.

    It takes tasks whose items are texts, pictures or videos. A video is one clip here, of frames at the
    bundle's rate, at most ``max_frames`` spread over all of it; MTEB decodes it with torchcodec, which has to
    be there.

    Args:
        encoder: a loaded bundle, name or folder of one, or any object with the methods of ``Encoder``.
        max_frames: frames of a video that are looked at, at most.

    Raises:
        UsageError: mteb is not installed, or the encoder lacks a method; from ``mteb.evaluate``, it fails or
            gives wrong answers, or an item is not one text, picture or video.
        UnknownNameError: there is no such bundle.
    """
    try:
        import mteb  # noqa: F401
    except ModuleNotFoundError as error:
        raise _lacks("mteb", error) from error
    from pathlib import Path

    from polyreel.evaluation.mteb_model import MtebModel

    loaded = load_encoder(encoder) if isinstance(encoder, str | Path) else encoder
    return MtebModel(loaded, max_frames=max_frames)


def _lacks(extra: str, error: ModuleNotFoundError) -> Exception:
    from polyreel.extras import missing_extra

    return missing_extra(extra, "a package that this needs is not installed", item=error.name)


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:  # or a type checker would believe that any name is here

    def __getattr__(name: str) -> object:
        """Import a module or class when it is used for the first time (PEP 562)."""
        match name:
            case "codeswitch":
                import polyreel.codeswitch as module
            case "datasets":
                import polyreel.datasets as module
            case "encoders":
                import polyreel.encoders as module
            case "errors":
                import polyreel.errors as module
            case "losses":
                try:
                    import polyreel.losses as module
                except ModuleNotFoundError as error:
                    raise _lacks("train", error) from error
            case "metrics":
                import polyreel.metrics as module
            case "ClipScore" | "Hit" | "SearchResult" | "Video":
                import polyreel.library.results as module
            case "Encoder":
                import polyreel.encoders.protocol as module
            case "Filter":
                import polyreel.library.search.filters as module
            case "IndexReport":
                import polyreel.library.index.indexing as module
            case "Result":
                import polyreel.evaluation.results as module
            case "VideoLibrary":
                import polyreel.client.opening as module
            case "connect":
                import polyreel.client.remote as module
            case "open":
                from polyreel.client.opening import open_library

                return open_library
            case _:
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)
