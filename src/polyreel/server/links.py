"""Addresses of things, and documents made of what the library gives."""

from __future__ import annotations

from urllib.parse import quote

from polyreel.client.documents import (
    ClipScoreDocument,
    EvidenceDocument,
    HitDocument,
    LibraryDocument,
    MomentDocument,
    ProblemDocument,
    ProgressDocument,
    SearchDocument,
    SubtitleDocument,
    TimelineDocument,
    VideoDocument,
)
from polyreel.library.index.progress_file import IndexProgress
from polyreel.library.results import ClipScore, Hit, SearchResult, SubtitleEvidence
from polyreel.library.search.snapshot import LibrarySnapshot, Video

__all__ = [
    "clip_document",
    "library_document",
    "media_address",
    "moment_document",
    "progress_document",
    "search_document",
    "thumbnail_address",
    "timeline_document",
    "video_document",
]


def thumbnail_address(clip_id: str) -> str:
    """Of a clip's picture."""
    return f"/api/v1/thumbnails/{quote(clip_id, safe='@')}"


def media_address(video_id: str, start_s: float | None = None) -> str:
    """Of a video's file, at a moment of it."""
    return f"/api/v1/videos/{video_id}/file" + ("" if start_s is None else f"#t={start_s:.3f}")


def search_document(result: SearchResult, view: LibrarySnapshot) -> SearchDocument:
    """A search result for the outside."""
    return SearchDocument(
        query=result.query,
        language=result.language,
        bundle=result.bundle,
        mode=result.mode,
        took_ms=result.took_ms,
        hits=tuple(_hit_document(hit, view) for hit in result.hits),
        confident=result.confident,
        false_alarm_rate=result.false_alarm_rate,
    )


def _hit_document(hit: Hit, view: LibrarySnapshot) -> HitDocument:
    return HitDocument(
        video=view.name(hit.video),
        video_id=hit.video_id,
        clip_id=hit.clip_id,
        start_s=round(hit.start_s, 3),
        end_s=round(hit.end_s, 3),
        score=round(hit.score, 6),
        rank=hit.rank,
        thumbnail=thumbnail_address(hit.clip_id),
        media=media_address(hit.video_id, hit.start_s),
        evidence=EvidenceDocument(
            visual=None if hit.visual is None else round(hit.visual, 6),
            strength=hit.strength,
            subtitle=_subtitle(hit.subtitle),
        ),
    )


def _subtitle(evidence: SubtitleEvidence | None) -> SubtitleDocument | None:
    return None if evidence is None else SubtitleDocument(text=evidence.text, language=evidence.language)


def video_document(video: Video, view: LibrarySnapshot) -> VideoDocument:
    """A video for the outside."""
    return VideoDocument(
        id=video.id,
        name=video.name,
        duration_s=round(video.duration_s, 3),
        clips=video.clips,
        subtitles=video.subtitles,
        size_bytes=video.size_bytes,
        modified=video.modified,
        thumbnail=thumbnail_address(view.middle_clip(video.id)),
        media=media_address(video.id),
    )


def moment_document(
    clip_id: str, video: Video, span: tuple[float, float], view: LibrarySnapshot
) -> MomentDocument:
    """A clip for the outside."""
    return MomentDocument(
        clip_id=clip_id,
        start_s=span[0],
        end_s=span[1],
        thumbnail=thumbnail_address(clip_id),
        media=media_address(video.id, span[0]),
        video=video_document(video, view),
    )


def clip_document(clip: ClipScore) -> ClipScoreDocument:
    """A clip's score for the outside."""
    return ClipScoreDocument(
        clip_id=clip.clip_id,
        start_s=clip.start_s,
        end_s=clip.end_s,
        visual=round(clip.visual, 6),
        strength=clip.strength,
        thumbnail=thumbnail_address(clip.clip_id),
    )


def timeline_document(
    video: VideoDocument, query: str, language: str, clips: list[ClipScore]
) -> TimelineDocument:
    """How a video matches, for the outside."""
    return TimelineDocument(
        video=video, query=query, language=language, clips=tuple(clip_document(clip) for clip in clips)
    )


def library_document(view: LibrarySnapshot) -> LibraryDocument:
    """What is in the library, for the outside."""
    contents = view.contents
    return LibraryDocument(
        commit=view.state.commit,
        bundle=view.state.generation.label,
        videos=contents.videos,
        clips=contents.clips,
        subtitles=contents.subtitles,
        paths=contents.paths,
        duration_s=round(contents.duration_s, 3),
        lines=contents.lines,
        folders=view.folders,
        problems=tuple(
            ProblemDocument(
                name=view.name(problem.path),
                left_out=problem.left_out,
                message=problem.message.replace(str(view.root) + "/", ""),
            )
            for problem in contents.problems
        ),
    )


def progress_document(progress: IndexProgress | None, view: LibrarySnapshot) -> ProgressDocument:
    """How far an index run is, for the outside."""
    if progress is None or not progress.is_running:
        return ProgressDocument(running=False)
    return ProgressDocument(
        running=True,
        files=progress.files,
        files_done=progress.files_done,
        failed=progress.failed,
        share=progress.share,
        current=view.name(progress.current) if progress.current else "",
    )
