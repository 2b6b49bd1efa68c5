"""What an index run does once the pictures are searchable: listen to the videos, then read what they show."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from polyreel.encoders.devices import CPU, DEVICE_VARIABLE
from polyreel.encoders.on_node import NodeBundle
from polyreel.encoders.protocol import Encoder
from polyreel.errors import FetchError, PolyreelError, UsageError, require_type
from polyreel.extras import install_extra
from polyreel.languages import parse_tag
from polyreel.library.index.events import Recognised
from polyreel.library.index.found_lines import FindLines
from polyreel.library.index.hearing import HearingPlan, HearingProgress, HearingReport, hear, plan_hearing
from polyreel.library.index.indexing import IndexReport
from polyreel.library.index.lines_on_ray import RayLines
from polyreel.library.index.progress_file import LINES_FILE, ProgressFile, drop_stopped
from polyreel.library.line_kinds import SPEECH
from polyreel.library.store.preferences import read_preferences, write_preferences
from polyreel.media.limited import Limits
from polyreel.progress import OnProgress
from polyreel.recognition import registry
from polyreel.recognition.protocol import LineRecogniser, Source
from polyreel.scale.cluster import Cluster

__all__ = ["LineStage", "add_lines", "line_stages", "make_lines", "require_wishes"]


@dataclass(frozen=True, slots=True)
class LineStage:
    """Lines of one kind.

    Attributes:
        source: what they come from.
        is_on: whether they are wanted and possible.
        is_asked_for: whether somebody asked for them; else one that cannot be had is none of the run's
            failures.
        languages: BCP-47 tags that are likely; None for those that the library remembers.
        model: name or folder of what recognises; None for the default.
        device: what hears, as ``load_speech`` has it.
    """

    source: Source
    is_on: bool
    is_asked_for: bool
    languages: tuple[str, ...] | None = None
    model: str | None = None
    device: str | None = None

    def load(self, limits: Limits, download: OnProgress | None = None) -> LineRecogniser:
        """What recognises them; its weights are fetched once there is something to do.

        Args:
            limits: what decoding one file may take.
            download: called with what arrives of the weights.

        Raises:
            UsageError: there is no such model.
        """
        if self.source == SPEECH:
            return registry.load_speech(self.model, device=self.device, limits=limits, download=download)
        return registry.load_screen(limits=limits, download=download)

    @property
    def device_on_nodes(self) -> str:
        """What recognises on a cluster: its GPUs only where they are asked for, as for pictures."""
        return (self.device or os.environ.get(DEVICE_VARIABLE) or CPU) if self.source == SPEECH else CPU

    def load_on_node(self, limits: Limits) -> LineRecogniser:
        """What recognises them on a node of a cluster, for a process that has one CPU; nothing is fetched.

        Args:
            limits: what decoding one file may take.

        Raises:
            UsageError: the node lacks the extra, the weights or the model.
        """
        node = f"node {platform.node()}"
        if self.source == SPEECH and not registry.has_speech():
            raise UsageError(
                f"{node} lacks the extra 'speech'",
                remedy=f"Install it there with: {install_extra('speech')}; or leave it out: --no-speech",
            )
        try:
            if not registry.has_weights(self.source, self.model):
                raise UsageError(
                    f"{node} lacks the weights for {self.source}",
                    item=self.model,
                    remedy="Copy polyreel's cache folder from this machine to it",
                )
            if self.source == SPEECH:
                return registry.load_speech(self.model, device=self.device, threads=1, limits=limits)
            return registry.load_screen(threads=1, limits=limits)
        except PolyreelError as error:
            if node not in error.what:
                error.what = f"{node}: {error.what}"
            raise


def line_stages(
    *,
    speech: bool | None = None,
    screen_text: bool | None = None,
    languages: Iterable[str] | None = None,
    speech_model: str | None = None,
    device: str | None = None,
) -> tuple[LineStage, LineStage]:
    """The two stages in their order, before anything is done.

    Args:
        speech: whether what is said becomes lines; None: where the extra for it is installed.
        screen_text: whether what is written in the pictures does; None: where the weights for it are there.
        languages: BCP-47 tags that are likely; None for those that the library remembers.
        speech_model: name or folder of what hears; None for the default.
        device: what hears; None for ``$POLYREEL_DEVICE``, or a GPU where there is one.

    Raises:
        UsageError: speech is asked for, and the extra is not installed; or the wishes contradict each other,
            or name no language.
    """
    likely = None if languages is None else _tags(languages)
    if speech is False and (likely or speech_model):
        raise UsageError(
            "nothing is to be heard, and yet languages or a speech model are given", remedy="Leave them out"
        )
    hears = bool(speech or likely or speech_model)
    if hears:
        registry.require_speech()
    is_on = speech is not False and registry.has_speech()
    reads = registry.has_screen() if screen_text is None else screen_text
    return (
        LineStage("speech", is_on, hears, likely, speech_model, device),
        LineStage("screen", reads, bool(screen_text), likely),
    )


def require_wishes(stages: Iterable[LineStage], folder: Path) -> None:
    """Read what the library remembers, where a stage will go by it, before the pictures take their time.

    Raises:
        LibraryError: it cannot be read.
    """
    if any(stage.is_on and stage.languages is None for stage in stages):
        read_preferences(folder)


def _tags(languages: Iterable[str]) -> tuple[str, ...]:
    """The tags that the names stand for, each once."""
    if isinstance(languages, str | bytes) or not isinstance(languages, Iterable):
        raise UsageError("languages are a list", value=f"{languages!r:.60}", remedy="Write ['de', 'sw']")
    names = list(languages)
    for name in names:
        require_type(name, str, "a language")
    tags = [parse_tag(name) for name in names]
    if strange := [name for name, tag in zip(names, tags, strict=True) if tag is None]:
        raise UsageError(
            "not a language", value=", ".join(strange)[:100], remedy="Give BCP-47 tags, such as de or sw"
        )
    return tuple(dict.fromkeys(tag for tag in tags if tag is not None))


def make_lines(
    stage: LineStage,
    folder: Path,
    encoder: Encoder,
    *,
    location: str,
    paths: Iterable[Path] = (),
    retry_failed: bool = False,
    limits: Limits,
    download: OnProgress | None = None,
    on_plan: Callable[[HearingPlan], None] = lambda _plan: None,
    on_progress: Callable[[HearingProgress], None] | None = None,
    cluster: Cluster | None = None,
    readers: int | None = None,
) -> HearingReport | None:
    """Do one stage; None if it is off, or there is nothing to do.

    Languages that are given are those of the library from then on.

    Args:
        stage: which lines.
        folder: the library.
        encoder: its own.
        location: what finds that again.
        paths: only videos at or below these; none is all of the library.
        retry_failed: try again what failed before.
        limits: what decoding one file may take.
        download: called with what arrives of the weights.
        on_plan: called once there is something to do.
        on_progress: called with each step.
        cluster: whose nodes recognise, each with weights that it has already; None does it here.
        readers: videos that they recognise at once; None for one each CPU.

    Raises:
        UsageError: the recogniser cannot be used, or knows no such language.
        FetchError: its weights cannot be had.
        LibraryBusyError: another process is recognising.
        LibraryError: the library cannot be read or written.
    """
    if not stage.is_on:
        return None
    paths = list(paths)
    likely = read_preferences(folder).languages if stage.languages is None else stage.languages
    recogniser = stage.load(limits, download)
    plan = plan_hearing(folder, recogniser, paths=paths, retry_failed=retry_failed)
    if not plan.videos:
        report = None
        drop_stopped(folder, LINES_FILE)
    else:
        on_plan(plan if cluster is None else replace(plan, estimate_s=None))
        find: FindLines | None = None
        if cluster is not None:
            registry.fetch_weights(stage.source, stage.model, download=download)
            device = stage.device_on_nodes
            find = RayLines(
                cluster,
                NodeBundle(location, encoder.card.identity),
                functools.partial(replace(stage, device=device).load_on_node, limits),
                recogniser.engine,
                likely,
                device=device,
                readers=readers,
            )
        shown = ProgressFile(folder, LINES_FILE)
        try:
            report = hear(
                folder,
                encoder,
                recogniser,
                location=location,
                paths=paths,
                languages=likely,
                retry_failed=retry_failed,
                on_progress=_beside(shown, stage.source, on_progress),
                find=find,
            )
        finally:
            shown.remove()
    if stage.languages is not None:
        wishes = read_preferences(folder).model_copy(update={"languages": stage.languages})
        write_preferences(folder, wishes)
    return report


def _beside(
    shown: ProgressFile, source: Source, on_progress: Callable[[HearingProgress], None] | None
) -> Callable[[HearingProgress], None]:
    """What tells of each step to whoever asks, and hands it on."""

    def both(now: HearingProgress) -> None:
        shown.take(Recognised(source, now))
        if on_progress is not None:
            on_progress(now)

    return both


def add_lines(
    report: IndexReport, stages: Iterable[LineStage], make: Callable[[LineStage], HearingReport | None]
) -> None:
    """Do one stage after the other, until one is interrupted, and note what came of it.

    Where what nobody asked for cannot be done, for want of weights or for a language that the library
    remembers and the engine does not know, a remark says so.

    Args:
        report: of the run that made the pictures searchable.
        stages: in their order.
        make: does one, as ``make_lines``.

    Raises:
        FetchError, UsageError: what was asked for cannot be done.
    """
    for stage in stages:
        try:
            made = make(stage)
        except (FetchError, UsageError) as error:
            if stage.is_asked_for:
                raise
            made = HearingReport(remarks=[f"no lines of {stage.source}: {error}"])
        if stage.source == SPEECH:
            report.speech = made
        else:
            report.screen_text = made
        if made is not None and made.interrupted:
            report.interrupted = True
            return
