import pytest
from written import NFC, NFD, fails, write, zip_of

from films import film
from polyreel.datasets.readers.folder import folder_records
from polyreel.datasets.records import Frames, Record, VideoFile
from polyreel.problems import Missing

CSV = (
    "media,language,caption,start_s,end_s,split\r\n"
    'a.jpg,en,"a ""red"" pan, hot",,,train\r\n'
    "films/film.mp4,en,red,0,2,dev\r\n"
    "a.jpg,de,eine Pfanne,,,train\r\n"
    "films/film.mp4,en,blue,2,4,dev\r\n"
)


def found_in(folder) -> list[tuple[str, float, float, str, list[tuple[str, str]]]]:
    return [
        (
            one.clip.video,
            one.clip.start_s,
            one.clip.end_s,
            one.split,
            [(c.language, c.text) for c in one.captions],
        )
        for one in folder_records(folder)
        if isinstance(one, Record)
    ]


EXPECTED = [
    ("a.jpg", 0.0, 0.0, "train", [("en", 'a "red" pan, hot'), ("de", "eine Pfanne")]),
    ("films/film.mp4", 0.0, 2.0, "dev", [("en", "red")]),
    ("films/film.mp4", 2.0, 4.0, "dev", [("en", "blue")]),
]


@pytest.fixture
def folder(tmp_path):
    film(tmp_path / "films" / "film.mp4", "red", "blue")
    return write(tmp_path, {"a.jpg": b"", "captions.csv": CSV})


def test_rows_of_one_media_and_start_are_one_clip(folder):
    assert found_in(folder) == EXPECTED
    media = [record.media for record in folder_records(folder)]
    assert media[:2] == [Frames(folder, ("a.jpg",)), VideoFile(folder / "films" / "film.mp4")]


def test_tabs_and_json_lines_say_the_same(folder):
    (folder / "captions.csv").unlink()
    rows = [line.replace('"a ""red"" pan, hot"', 'a "red" pan\x00 hot') for line in CSV.split("\r\n")]
    tabbed = "\n".join(row.replace(",", "\t").replace("\x00", ",") for row in rows)
    write(folder, {"captions.tsv": b"\xef\xbb\xbf" + tabbed.encode()})
    assert found_in(folder) == EXPECTED
    (folder / "captions.tsv").unlink()
    lines = [
        '{"media": "a.jpg", "language": "eng", "caption": "a \\"red\\" pan, hot"}',
        '{"media": "films/film.mp4", "language": "en", "caption": "red", "start_s": 0, "end_s": 2, '
        '"split": "dev"}',
        '{"media": "a.jpg", "language": "german", "caption": "eine Pfanne"}',
        '{"media": "films/film.mp4", "language": "en", "caption": "blue", "start_s": 2, "end_s": 4, '
        '"split": "dev"}',
    ]
    write(folder, {"captions.jsonl": "\n\n".join(lines)})
    assert found_in(folder) == EXPECTED


def test_without_a_language_it_is_detected_and_without_an_end_the_video_tells(folder):
    text = f"media,caption\nfilms/film.mp4,{NFD} đang chạy trên cánh đồng\n"
    write(folder, {"captions.csv": text})
    assert found_in(folder) == [
        ("films/film.mp4", 0.0, 4.0, "train", [("vi", f"{NFC} đang chạy trên cánh đồng")])
    ]


def test_what_is_not_there_is_missing(folder):
    (folder / "broken.mp4").write_bytes(b"no video")
    zip_of(folder / "pictures.zip", ["b.jpg"])
    rows = ["gone.jpg,a,,", "broken.mp4,a,,", "a.jpg,a,5,2", "pictures.zip!b.jpg,a,,", "a.jpg, ,,"]
    write(folder, {"captions.csv": "media,caption,start_s,end_s\n" + "\n".join(rows)})
    found = list(folder_records(folder))
    assert [one.id for one in found if isinstance(one, Missing)] == [
        "gone.jpg",
        "broken.mp4",
        "a.jpg",
        "a.jpg",
    ]
    assert {one.reason for one in found if isinstance(one, Missing)} >= {
        "no such file",
        "a clip ends before it starts",
        "no caption",
    }
    assert [one.clip.video for one in found if isinstance(one, Record)] == ["pictures.zip!b.jpg"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("../../etc/passwd,en,x,,,", ["leads out of the folder", "line 2", "../../etc/passwd"]),
        ("films.zip!film.mp4,en,x,,,", ["a video inside an archive", "line 2"]),
        ("a.jpg,klingon,x,,,", ["not a language tag", "line 2", "klingon"]),
        ("a.jpg,en,x,soon,,", ["line 2", "start_s"]),
        ("a.jpg,en,x,nan,,", ["line 2", "start_s"]),
        ("a.jpg,en,x,-1,,", ["line 2", "start_s"]),
        ("a.jpg,en", ["line 2", "more or fewer cells"]),
        ("a.jpg,en,x,,,,,", ["line 2", "more or fewer cells"]),
        ('a.jpg,en,"x', ["no CSV", "captions.csv, line"]),
        (",en,x,,,", ["line 2", "media"]),
        ("a.jpg,en,x,,,\na.jpg,en,y,,,dev", ["line 3", "differ in end_s or split"]),
        ("", ["the table of captions is empty"]),
    ],
)
def test_a_row_that_is_not_as_it_should_be_is_named(folder, row, said):
    write(folder, {"captions.csv": f"media,language,caption,start_s,end_s,split\n{row}\n"})
    fails(lambda: list(folder_records(folder)), *said)


def test_a_folder_without_a_table_and_one_with_items(folder):
    (folder / "captions.csv").unlink()
    fails(lambda: list(folder_records(folder)), "there are no captions", "captions.csv")
    write(folder, {"items.jsonl": '{"id": "one", "media": "a.jpg", "caption": {"en": "a pan"}}\n'})
    assert found_in(folder) == [("one", 0.0, 0.0, "train", [("en", "a pan")])]
