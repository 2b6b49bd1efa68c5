"""The second stage of ``polyreel index``: listening to the videos, then reading what is written in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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
    from polyreel.media.limited import Limits
    from polyreel.progress import ProgressDisplay
    from polyreel.recognition.protocol import LineRecogniser

__all__ = ["Listening", "ScreenReading"]

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class _Words:
    """How a stage is told of: its key in the document, what it does, what came of it, and of what."""

    key: str
    begins: str
    does: str
    did: str
    of: str


class _Recognising(ABC):
    """Makes lines of videos whose pictures are indexed, where that is wanted and possible.

    Args:
        words: how it is told of.
        is_on: whether there is anything to do.
        asked_for: whether somebody asked for it; else one that is not there is none of the run's failures.
        languages: that are likely.
        paths: videos and folders of them.
        retry_failed: try again what failed before.
        memory_limit_mb: what decoding one file may take.

    Attributes:
        report: what came of it; None if there was nothing to do.
        has_failed: whether it was interrupted, or what was asked for could not be done.
    """

    def __init__(
        self,
        words: _Words,
        *,
        is_on: bool,
        asked_for: bool,
        languages: Sequence[str],
        paths: Sequence[Path],
        retry_failed: bool,
        memory_limit_mb: int,
    ) -> None:
        self._words, self._is_on, self._asked_for, self._languages = words, is_on, asked_for, languages
        self._paths, self._retry_failed = [absolute(path) for path in paths], retry_failed
        self._memory_limit_mb = memory_limit_mb
        self.report: HearingReport | None = None
        self.has_failed = False

    @abstractmethod
    def _load(self, limits: Limits, show: ProgressDisplay) -> LineRecogniser:
        """What recognises, with what decoding one file may take."""

    def begin(self, folder: Path, encoder: Encoder, location: str, show: ProgressDisplay) -> None:
        """Do it, with an estimate before and progress meanwhile.

        Args:
            folder: the library.
            encoder: its own.
            location: what finds that again.
            show: progress.
        """
        if not self._is_on:
            return
        try:
            self._go(folder, encoder, location, show)
        except (FetchError, UsageError) as error:
            if self._asked_for and isinstance(error, UsageError):
                raise
            self.has_failed = self._asked_for
            show.say(f"Nothing was {self._words.did}: {error}", style="yellow")

    def watched(self, run: Callable[[Sequence[str]], IndexReport]) -> Callable[[Sequence[str]], IndexReport]:
        """A run of those that go on until Ctrl-C, which also ends them in this stage."""

        def until_interrupted(passed_over: Sequence[str]) -> IndexReport:
            done = run(passed_over)
            if self.report is not None and self.report.interrupted:
                raise KeyboardInterrupt
            return done

        return until_interrupted

    def _go(self, folder: Path, encoder: Encoder, location: str, show: ProgressDisplay) -> None:
        from polyreel.library.index.hearing import hear, plan_hearing
        from polyreel.library.search.search import calibrate_library
        from polyreel.media.limited import Limits

        words = self._words
        limits = Limits(memory_bytes=self._memory_limit_mb << 20)
        recogniser = self._load(limits, show)
        plan = plan_hearing(folder, recogniser, paths=self._paths, retry_failed=self._retry_failed)
        if not plan.videos:
            return
        about = "" if plan.estimate_s is None else f", about {duration(plan.estimate_s)} at most"
        show.say(
            f"{words.begins} {count(plan.videos, 'video')}, {duration(plan.sound_s)} of {words.of}{about}. "
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
            on_progress=_follow(show, words),
        )
        self.has_failed = self.report.interrupted
        if self.report.lines and not self.report.interrupted:
            show("measuring what a match means", 0, None)
            calibrate_library(folder, encoder)

    def document(self) -> dict[str, Any]:
        """What ``--json`` says of it."""
        if self.report is None:
            return {self._words.key: None}
        failed = [str(error) for error in self.report.failed]
        return {self._words.key: asdict(self.report) | {"failed": failed}}

    def print_report(self) -> None:
        """Say what came of it."""
        report, words = self.report, self._words
        if report is None:
            return
        done = f"{words.did.capitalize()} {count(report.heard, 'video')} in {duration(report.took_s)}: "
        stdout.print(f"{done}{count(report.lines, 'line')} from {duration(report.sound_s)} of {words.of}.")
        if report.spared:
            stdout.print(f"{count(report.spared, 'video')} not heard to the end: subtitles say the same.")
        for remark in report.remarks[:_SHOWN]:
            stderr.print(remark, style="yellow", markup=False, soft_wrap=True)
        if report.failed:
            stdout.print(f"{count(len(report.failed), 'video')} could not be {words.did}:", style="yellow")
        for error in report.failed[:_SHOWN]:
            stdout.print(f"  {error}", markup=False, soft_wrap=True)
        if len(report.failed) > _SHOWN:
            stdout.print(f"  and {len(report.failed) - _SHOWN} more: see 'polyreel doctor'.")
        if report.interrupted:
            said = f"Interrupted: what was {words.did} is kept; run the same command to go on."
            stdout.print(said, style="yellow")


_HEARS = _Words(key="speech", begins="Listening to", does="listening", did="heard", of="sound")
_READS = _Words(key="screen_text", begins="Reading", does="reading", did="read", of="pictures")


class Listening(_Recognising):
    """Makes lines of what is said.

    Args:
        wanted: None if nobody asked.
        model: name or folder of the speech model; None for the default.
        languages: that are likely.
        options: those of ``_Recognising``.

    Raises:
        UsageError: speech was asked for, and the extra is not installed.
    """

    def __init__(
        self, *, wanted: bool | None, model: str | None, languages: Sequence[str], **options: Any
    ) -> None:
        from polyreel.recognition.registry import has_speech, require_speech

        if wanted is False and (languages or model):
            raise UsageError(
                "with --no-speech nothing is heard", remedy="Leave out --languages and --speech-model"
            )
        asked_for = bool(wanted or languages or model)
        if asked_for:
            require_speech()
        self._model = model
        is_on = wanted is not False and has_speech()
        super().__init__(_HEARS, is_on=is_on, asked_for=asked_for, languages=languages, **options)

    def _load(self, limits: Limits, show: ProgressDisplay) -> LineRecogniser:
        from polyreel.recognition.registry import load_speech

        return load_speech(self._model, limits=limits, download=show.download)


class ScreenReading(_Recognising):
    """Makes lines of what is written in the pictures.

    Args:
        wanted: None if nobody asked: then it is done if the weights are there already.
        options: those of ``_Recognising``.
    """

    def __init__(self, *, wanted: bool | None, **options: Any) -> None:
        from polyreel.recognition.registry import has_screen

        is_on = has_screen() if wanted is None else wanted
        super().__init__(_READS, is_on=is_on, asked_for=bool(wanted), **options)

    def _load(self, limits: Limits, show: ProgressDisplay) -> LineRecogniser:
        from polyreel.recognition.registry import load_screen

        return load_screen(limits=limits, download=show.download)


def _follow(show: ProgressDisplay, words: _Words) -> Callable[[HearingProgress], None]:
    def follow(now: HearingProgress) -> None:
        if now.failed is not None:
            show.say(f"not {words.did}: {now.failed}", style="yellow")
        amount = f"{now.videos_done:,}/{now.videos:,} videos"
        show(words.does, now.sound_done_s, now.sound_s, amount=amount)

    return follow
