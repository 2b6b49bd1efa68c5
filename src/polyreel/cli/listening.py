"""The second stage of ``polyreel index``: listening to the videos, then reading what is written in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyreel.cli.output import stderr, stdout
from polyreel.errors import FetchError, MediaError, UsageError
from polyreel.interrupts import INTERRUPTED
from polyreel.remote.reach import parted_by_loss
from polyreel.units import count, duration

if TYPE_CHECKING:
    from polyreel.encoders.protocol import Encoder
    from polyreel.library.index.hearing import HearingPlan, HearingProgress, HearingReport
    from polyreel.library.index.indexing import IndexReport
    from polyreel.library.index.line_stages import LineStage
    from polyreel.progress import ProgressDisplay
    from polyreel.scale.cluster import Cluster

__all__ = ["LineMaker", "exit_code", "in_turn"]

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class _Words:
    """How a stage is told of: its key in the document, what it does, what came of it, and of what."""

    key: str
    begins: str
    does: str
    did: str
    of: str


_WORDS: Mapping[str, _Words] = {
    "speech": _Words(key="speech", begins="Listening to", does="listening", did="heard", of="sound"),
    "screen": _Words(key="screen_text", begins="Reading", does="reading", did="read", of="pictures"),
}


class LineMaker:
    """Makes lines of videos whose pictures are indexed, with an estimate before and progress meanwhile.

    Args:
        stage: which lines, and whether.
        paths: videos and folders of them.
        retry_failed: try again what failed before.
        memory_limit_mb: what decoding one file may take.
        cluster: whose nodes make them; None makes them here.
        readers: videos that they recognise at once; None for one each CPU.

    Attributes:
        stage: as given.
        report: what came of the last run; None if there was nothing to do.
        has_failed: whether it was interrupted, or what was asked for could not be done.
    """

    def __init__(
        self,
        stage: LineStage,
        *,
        paths: Sequence[Path],
        retry_failed: bool,
        memory_limit_mb: int,
        cluster: Cluster | None = None,
        readers: int | None = None,
    ) -> None:
        self.stage, self._words = stage, _WORDS[stage.source]
        self._paths, self._retry_failed = list(paths), retry_failed
        self._memory_limit_mb = memory_limit_mb
        self._cluster, self._readers = cluster, readers
        self.report: HearingReport | None = None
        self.has_failed = False

    def begin(self, folder: Path, encoder: Encoder, location: str, show: ProgressDisplay) -> None:
        """Do it.

        Args:
            folder: the library.
            encoder: its own.
            location: what finds that again.
            show: progress.
        """
        self.report, self.has_failed = None, False
        try:
            self._go(folder, encoder, location, show)
        except KeyboardInterrupt:
            # While weights came, or a match was measured: the run has more to tell than that.
            self._note_interrupt()
        except (FetchError, UsageError) as error:
            if self.stage.is_asked_for and isinstance(error, UsageError):
                raise
            self.has_failed = self.stage.is_asked_for
            show.say(f"Nothing was {self._words.did}: {error}", style="yellow")

    def _note_interrupt(self) -> None:
        from polyreel.library.index.hearing import HearingReport

        self.report = self.report or HearingReport()
        self.report.interrupted = self.has_failed = True

    def _go(self, folder: Path, encoder: Encoder, location: str, show: ProgressDisplay) -> None:
        from polyreel.library.index.line_stages import make_lines
        from polyreel.library.search.search import calibrate_library
        from polyreel.media.limited import Limits

        words = self._words

        def announce(plan: HearingPlan) -> None:
            about = "" if plan.estimate_s is None else f", about {duration(plan.estimate_s)}"
            show.say(
                f"{words.begins} {count(plan.videos, 'video')}, {duration(plan.sound_s)} of "
                f"{words.of}{about}. Searches work meanwhile; Ctrl-C keeps what is done."
            )

        self.report = make_lines(
            self.stage,
            folder,
            encoder,
            location=location,
            paths=self._paths,
            retry_failed=self._retry_failed,
            limits=Limits(memory_bytes=self._memory_limit_mb << 20),
            download=show.download,
            on_plan=announce,
            on_progress=_follow(show, words),
            cluster=self._cluster,
            readers=self._readers,
        )
        if self.report is None:
            return
        self.has_failed = self.report.interrupted
        if self.report.lines and not self.report.interrupted:
            show("measuring what a match means", 0, None)
            calibrate_library(folder, encoder)

    @property
    def was_interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.report is not None and self.report.interrupted

    def document(self) -> dict[str, Any]:
        """What ``--json`` says of it."""
        if self.report is None:
            return {self._words.key: None}
        failed = [str(error) for error in self.report.failed]
        return {self._words.key: asdict(self.report) | {"failed": failed}}

    @property
    def failures(self) -> Sequence[MediaError]:
        """The videos that it could not be done of."""
        return self.report.failed if self.report is not None else ()

    def summary(self) -> str:
        """What came of it, in one sentence; empty if nothing did."""
        if self.report is None:
            return ""
        report, words = self.report, self._words
        videos = count(report.heard, "video")
        if report.interrupted:
            if not report.heard and not report.sound_s:
                return ""
            videos += " to the end"
        done = f"{words.did.capitalize()} {videos} in {duration(report.took_s)}: "
        return f"{done}{count(report.lines, 'line')} from {duration(report.sound_s)} of {words.of}."

    def print_report(self) -> None:
        """Say what came of it."""
        report, words = self.report, self._words
        if report is None:
            return
        if done := self.summary():
            stdout.print(done)
        if report.spared:
            videos = count(report.spared, "video")
            stdout.print(f"{videos} not {words.did} to the end: subtitles say the same.")
        for remark in report.remarks[:_SHOWN]:
            stderr.print(remark, style="yellow", markup=False, soft_wrap=True)
        if len(report.remarks) > _SHOWN:
            stderr.print(f"and {len(report.remarks) - _SHOWN} more remarks: see --json", style="yellow")
        lost, failed = parted_by_loss(report.failed)
        if failed:
            stdout.print(f"{count(len(failed), 'video')} could not be {words.did}:", style="yellow")
        for error in failed[:_SHOWN]:
            stdout.print(f"  {error}", markup=False, soft_wrap=True)
        if len(failed) > _SHOWN:
            stdout.print(f"  and {len(failed) - _SHOWN} more: see 'polyreel doctor'.")
        if lost is not None:
            said = f"Stopped: {lost} What was {words.did} is kept."
            stdout.print(said, style="yellow", markup=False, soft_wrap=True)
        elif report.interrupted:
            kept = f"what was {words.did} is kept" if self.summary() else f"no video was {words.did}"
            said = f"Interrupted: {kept}; run the same command to go on."
            stdout.print(said, style="yellow")


def exit_code(report: IndexReport, makers: Sequence[LineMaker]) -> int:
    """130 if Ctrl-C stopped a run, 1 if anything else did or nothing could be done, else 0.

    Args:
        report: of its pictures.
        makers: what made lines after them.
    """
    failures = [report.failed, *(maker.failures for maker in makers)]
    if report.interrupted or any(maker.was_interrupted for maker in makers):
        is_lost = any(parted_by_loss(each)[0] is not None for each in failures)
        return 1 if is_lost else INTERRUPTED
    return 1 if report.failed_entirely or any(maker.has_failed for maker in makers) else 0


def in_turn(*makers: LineMaker) -> Callable[[Path, Encoder, str, ProgressDisplay], None]:
    """One after the other, as ``LineMaker.begin`` takes them, until one of them is interrupted."""

    def make(folder: Path, encoder: Encoder, location: str, show: ProgressDisplay) -> None:
        for maker in makers:
            maker.begin(folder, encoder, location, show)
            if maker.was_interrupted:
                return

    return make


def _follow(show: ProgressDisplay, words: _Words) -> Callable[[HearingProgress], None]:
    failed = 0

    def follow(now: HearingProgress) -> None:
        nonlocal failed
        failed += now.failed is not None  # the report at the end says which, and why
        left_out = f", {failed:,} left out" if failed else ""
        amount = f"{now.videos_done:,}/{now.videos:,} videos{left_out}"
        show(words.does, now.sound_done_s, now.sound_s, amount=amount)

    return follow
