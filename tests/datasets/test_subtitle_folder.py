import pytest
from written import fails, write

import videos
from films import film, subtitles
from polyreel.datasets.how2.aligning import AlignmentReport
from polyreel.datasets.readers.subtitle_folder import subtitle_records
from polyreel.datasets.records import Record, VideoFile
from polyreel.problems import Missing, Problems

ENGLISH, GERMAN, FRENCH = "we cut the onion", "wir schneiden die Zwiebel", "on coupe l'oignon"
VTT = f"WEBVTT\r\n\r\n00:00.000 --> 00:02.000 align:start\r\n<c.red>{FRENCH}</c>\r\n"


def texts(record: Record) -> dict[str, str]:
    return {caption.language: caption.text for caption in record.captions}


def test_files_of_one_name_belong_together_without_a_video(tmp_path):
    subtitles(tmp_path / "talk.en.srt", (0.0, 2.0, ENGLISH))
    subtitles(tmp_path / "talk.de.forced.srt", (0.1, 2.0, GERMAN))
    write(tmp_path, {"talk.fr-CA.vtt": b"\xef\xbb\xbf" + VTT.encode(), "deep/talk.en.vtt": VTT})
    report = AlignmentReport()
    records = list(subtitle_records(tmp_path, report=report))
    assert [(r.clip.video, texts(r), r.media) for r in records] == [
        ("deep/talk", {"en": FRENCH}, None),  # a name is believed; 'polyreel data check' is not so trusting
        ("talk", {"en": ENGLISH, "de": GERMAN, "fr": FRENCH}, None),
    ]
    assert {caption.sample_creation for r in records for caption in r.captions} == {"found"}
    assert report.videos == 2


def test_a_video_brings_its_own_tracks(tmp_path):
    inside = {"de": [(0.0, 2.0, GERMAN)]}
    path = videos.write_video(tmp_path / "a.talk.mkv", seconds=2.0, fps=5, size=(64, 48), subtitles=inside)
    subtitles(tmp_path / "a.talk.srt", (0.0, 2.0, f"{ENGLISH} and put it into the pan"))
    (record,) = subtitle_records(tmp_path)
    assert (record.clip.video, record.media) == ("a.talk", VideoFile(path))
    assert set(texts(record)) == {"en", "de"}


def test_of_two_tracks_in_one_language_the_longer_one_counts(tmp_path):
    subtitles(tmp_path / "talk.en.srt", (0.0, 2.0, "one"), (2.0, 4.0, "two"))
    subtitles(tmp_path / "talk.en.forced.srt", (0.0, 2.0, "sign"))
    assert [texts(record)["en"] for record in subtitle_records(tmp_path)] == ["one", "two"]


def test_what_cannot_be_read_costs_only_itself(tmp_path):
    subtitles(tmp_path / "good.en.srt", (0.0, 2.0, ENGLISH))
    write(tmp_path, {"bad.en.srt": b"\x00\x01", "huge.en.vtt": "WEBVTT\n"})
    film(tmp_path / "mute.mp4", "red")
    problems = Problems()
    found = list(subtitle_records(tmp_path, problems=problems))
    assert [one.clip.video for one in found if isinstance(one, Record)] == ["good"]
    assert [one for one in found if isinstance(one, Missing)] == [
        Missing("bad", "subtitles cannot be read"),
        Missing("huge", "subtitles cannot be read"),
        Missing("mute", "a video has no subtitles"),
    ]
    assert "bad.en.srt" in str(problems.examples[0])


def test_an_empty_file_is_a_video_without_subtitles(tmp_path):
    subtitles(tmp_path / "good.en.srt", (0.0, 2.0, ENGLISH))
    write(tmp_path, {"empty.en.srt": b""})
    found = list(subtitle_records(tmp_path, problems=Problems()))
    assert [one for one in found if isinstance(one, Missing)] == [
        Missing("empty", "a video has no subtitles")
    ]


@pytest.mark.parametrize("name", ["empty", "notes.txt"])
def test_a_folder_without_subtitles(tmp_path, name):
    write(tmp_path, {name: b""})
    fails(lambda: list(subtitle_records(tmp_path)), "there are no subtitles", "<video>.<language>.vtt")
