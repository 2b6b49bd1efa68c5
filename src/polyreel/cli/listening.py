"""The second stage of ``polyreel index``: listening to the videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyreel.cli.options import absolute
from polyreel.cli.output import stderr, stdout
from polyreel.errors import FetchError, UsageError
from polyreel.units import count, duration

if TYPE_CHECKING:
    from polyreel.encoders.protocol import Encoder
    from polyreel.library.index.hearing import HearingProgress, HearingReport
    from polyreel.library.index.indexing import IndexReport
    from polyreel.progress import ProgressDisplay

__all__ = ["Listening"]

_SHOWN = 10


class Listening:
    """Listens to videos whose pictures are indexed, where that is wanted and possible.

    Args:
        wanted: None if nobody asked: then a recogniser that is not there is none of the run's failures.
        model: name or folder of the speech model; None for the default.
        languages: that are likely.
        paths: videos and folders of them.
        retry_failed: listen again to what failed before.
        memory_limit_mb: what decoding the sound of one file may take.

    Attributes:
        report: what came of it; None if nothing was to be heard.
        has_failed: whether it was interrupted, or what was asked for could not be done.

    Raises:
        UsageError: speech was asked for, and the extra is not installed.
    """

    def __init__(
        self,
        *,
        wanted: bool | None,
        model: str | None,
        languages: Sequence[str],
        paths: Sequence[Path],
        retry_failed: bool,
        memory_limit_mb: int,
    ) -> None:
        from polyreel.recognition.registry import has_speech, require_speech

        if wanted is False and (languages or model):
            raise UsageError(
                "with --no-speech nothing is heard", remedy="Leave out --languages and --speech-model"
            )
        self._asked_for = bool(wanted or languages or model)
        if self._asked_for:
            require_speech()
        self._is_on = wanted is not False and has_speech()
        self._model, self._languages = model, languages
        self._paths, self._retry_failed = [absolute(path) for path in paths], retry_failed
        self._memory_limit_mb = memory_limit_mb
        self.report: HearingReport | None = None
        self.has_failed = False

    def begin(self, folder: Path, encoder: Encoder, location: str, show: ProgressDisplay) -> None:
        """Listen, with an estimate before and progress meanwhile.

        Args:
            folder: the library.
            encoder: its own.
            location: what finds that again.
            show: progress.
        """
        if not self._is_on:
            return
        try:
            self._listen(folder, encoder, location, show)
        except (FetchError, UsageError) as error:
            if self._asked_for and isinstance(error, UsageError):
                raise
            self.has_failed = self._asked_for
            show.say(f"Nothing was heard: {error}", style="yellow")

    def watched(self, run: Callable[[Sequence[str]], IndexReport]) -> Callable[[Sequence[str]], IndexReport]:
        """A run of those that go on until Ctrl-C, which also ends them while they listen."""

        def until_interrupted(passed_over: Sequence[str]) -> IndexReport:
            done = run(passed_over)
            if self.report is not None and self.report.interrupted:
                raise KeyboardInterrupt
            return done

        return until_interrupted

    def _listen(self, folder: Path, encoder: Encoder, location: str, show: ProgressDisplay) -> None:
        from polyreel.library.index.hearing import hear, plan_hearing
        from polyreel.library.search.search import calibrate_library
        from polyreel.media.limited import Limits
        from polyreel.recognition.registry import load_speech

        limits = Limits(memory_bytes=self._memory_limit_mb << 20)
        recogniser = load_speech(self._model, limits=limits, download=show.download)
        plan = plan_hearing(folder, recogniser, paths=self._paths, retry_failed=self._retry_failed)
        if not plan.videos:
            return
        about = "" if plan.estimate_s is None else f", about {duration(plan.estimate_s)} at most"
        show.say(
            f"Listening to {count(plan.videos, 'video')}, {duration(plan.sound_s)} of sound{about}. "
            "Searches work meanwhile; Ctrl-C keeps what is done."
        )
        self.report = hear(
            folder,
            encoder,
            recogniser,
            location=location,
            paths=self._paths,
            languages=self._languages,
            retry_failed=self._retry_failed,
            on_progress=_follow(show),
        )
        self.has_failed = self.report.interrupted
        if self.report.lines and not self.report.interrupted:
            show("measuring what a match means", 0, None)
            calibrate_library(folder, encoder)

    def document(self) -> dict[str, Any]:
        """What ``--json`` says of it."""
        if self.report is None:
            return {"speech": None}
        return {"speech": asdict(self.report) | {"failed": [str(error) for error in self.report.failed]}}

    def print_report(self) -> None:
        """Say what came of it."""
        report = self.report
        if report is None:
            return
        heard = f"Heard {count(report.heard, 'video')} in {duration(report.took_s)}: "
        stdout.print(f"{heard}{count(report.lines, 'line')} from {duration(report.sound_s)} of sound.")
        if report.spared:
            stdout.print(f"{count(report.spared, 'video')} not heard to the end: subtitles say the same.")
        for remark in report.remarks[:_SHOWN]:
            stderr.print(remark, style="yellow", markup=False, soft_wrap=True)
        if report.failed:
            stdout.print(f"{count(len(report.failed), 'video')} could not be heard:", style="yellow")
        for error in report.failed[:_SHOWN]:
            stdout.print(f"  {error}", markup=False, soft_wrap=True)
        if len(report.failed) > _SHOWN:
            stdout.print(f"  and {len(report.failed) - _SHOWN} more: see 'polyreel doctor'.")
        if report.interrupted:
            said = "Interrupted: what was heard is kept; run the same command to go on."
            stdout.print(said, style="yellow")


def _follow(show: ProgressDisplay) -> Callable[[HearingProgress], None]:
    def follow(now: HearingProgress) -> None:
        if now.failed is not None:
            show.say(f"not heard: {now.failed}", style="yellow")
        amount = f"{now.videos_done:,}/{now.videos:,} videos"
        show("listening", now.sound_done_s, now.sound_s, amount=amount)

    return follow
