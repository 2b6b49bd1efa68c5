"""``polyreel mcp``: the tools as an agent's program meets them, through the SDK's own client."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from films import film, index_films, open_library, subtitles
from polyreel.cli.app import main
from polyreel.extras import install_extra

pytest.importorskip("mcp", reason="polyreel[mcp] is not installed")
# anyio is what the SDK runs on.
import anyio
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ImageContent, TextContent

from polyreel.agents.serving import create_server
from polyreel.agents.tools import TOOLS

Asking = Callable[[Client], Awaitable[Any]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, tiny_bundle) -> Path:
    folder = tmp_path_factory.mktemp("agents")
    film(folder / "videos" / "red.mp4", "red")
    film(folder / "videos" / "talks" / "talk.mp4", "blue", "white", "black")
    subtitles(
        folder / "videos" / "talks" / "talk.en.srt", (0.5, 1.5, "good evening"), (3, 4, "the dog runs away")
    )
    index_films(folder / "videos", folder / "library", tiny_bundle)
    return folder / "library"


def ask(library: Path, asking: Asking) -> Any:
    """What ``asking`` returns, in a session with a server in this process."""

    async def session() -> Any:
        async with Client(create_server(lambda: opened)) as client:
            return await asking(client)

    with open_library(library) as opened:
        return anyio.run(session)


def call(library: Path, tool: str, **arguments: Any) -> CallToolResult:
    return ask(library, lambda client: client.call_tool(tool, arguments))


def facts(result: CallToolResult) -> Any:
    """The structure, which the text says as well."""
    assert not result.is_error, result.content
    text = result.content[0]
    assert isinstance(text, TextContent)
    assert json.loads(text.text) == result.structured_content
    return result.structured_content


def refusal(result: CallToolResult) -> str:
    assert result.is_error
    assert len(result.content) == 1
    text = result.content[0]
    assert isinstance(text, TextContent)
    assert "Traceback" not in text.text
    return text.text


@pytest.fixture(scope="module")
def talk_id(library: Path) -> str:
    with open_library(library) as opened:
        return next(video.id for video in opened.videos() if video.name.endswith("talk.mp4"))


def test_tools_say_what_they_take_give_and_do(library):
    tools = {tool.name: tool for tool in ask(library, lambda client: client.list_tools()).tools}
    assert tools.keys() == TOOLS.keys() == {"search", "moments", "lines", "thumbnail", "videos"}
    for tool in tools.values():
        assert tool.description
        assert tool.input_schema["additionalProperties"] is False
        assert all(field["description"] for field in tool.input_schema["properties"].values())
        assert tool.output_schema is not None
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint


def test_a_search_answers_as_the_library_does(library):
    found = facts(call(library, "search", query="rot", top=1))
    with open_library(library) as opened:
        wanted = opened.search("rot", top=1).model_dump(mode="json")
    for each in (found, wanted):  # calibrated or not, timed or not
        del each["took_ms"]
    assert found["hits"][0]["video"] == wanted["hits"][0]["video"]
    assert found.keys() == wanted.keys()


def test_a_search_stays_below_a_folder(library):
    hits = facts(call(library, "search", query="rot", folder="talks"))["hits"]
    assert {Path(hit["video"]).name for hit in hits} == {"talk.mp4"}


def test_moments_of_a_video_come_best_first_and_what_is_left_out_is_counted(library, talk_id):
    found = facts(call(library, "moments", video_id=talk_id, query="weiß", top=1))
    assert [moment["start_s"] for moment in found["moments"]] == [2]
    assert found["left_out"] == 2
    assert found["video"]["id"] == talk_id
    everything = facts(call(library, "moments", video_id=talk_id, query="weiß"))
    scores = [moment["visual"] for moment in everything["moments"]]
    assert scores == sorted(scores, reverse=True)
    assert (len(scores), everything["left_out"]) == (3, 0)


def test_lines_of_a_video_come_in_order_of_time_and_by_pages(library, talk_id):
    found = facts(call(library, "lines", video_id=talk_id))
    assert [(line["start_s"], line["text"]) for line in found["lines"]] == [
        (0.5, "good evening"),
        (3, "the dog runs away"),
    ]
    assert found["lines"][0]["language"] == "en"
    assert found["lines"][0]["source"]
    assert found["left_out"] == 0
    first = facts(call(library, "lines", video_id=talk_id, top=1))
    assert ([line["start_s"] for line in first["lines"]], first["left_out"]) == ([0.5], 1)
    rest = facts(call(library, "lines", video_id=talk_id, top=1, skip=1))
    assert ([line["start_s"] for line in rest["lines"]], rest["left_out"]) == ([3], 0)
    within = facts(call(library, "lines", video_id=talk_id, start_s=2, end_s=3.5))
    assert [line["start_s"] for line in within["lines"]] == [3]


def test_a_thumbnail_is_a_picture_with_its_times(library):
    clip = facts(call(library, "search", query="rot", top=1))["hits"][0]["clip_id"]
    answer = call(library, "thumbnail", clip_id=clip)
    assert facts(answer)["clip_id"] == clip
    picture = answer.content[1]
    assert isinstance(picture, ImageContent)
    assert picture.mime_type == "image/jpeg"
    assert base64.b64decode(picture.data).startswith(b"\xff\xd8")


def test_videos_are_listed_by_pages(library):
    page = facts(call(library, "videos", top=1, skip=1))
    assert page["total"] == 2
    assert [video["name"] for video in page["videos"]] == ["talks/talk.mp4"]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("serach", {}, r"no tool has this name: 'serach'. Did you mean 'search'?"),
        ("search", {}, "query: is missing"),
        ("search", {"query": ""}, "query: it should be text that is not empty"),
        ("search", {"query": "   "}, "query is empty"),
        ("search", {"query": "x" * 5000}, "query: it should be text of at most"),
        ("search", {"query": "red", "topp": 3}, "topp: there is no such key. Did you mean 'top'?"),
        ("search", {"query": "red", "top": "3"}, "top: it should be a whole number, found '3'"),
        ("search", {"query": "red", "top": 0}, "top: it should be at least 1, found 0"),
        ("search", {"query": "red", "top": 10**9}, "top: it should be at most 100"),
        ("search", {"query": ["red"]}, "query: it should be text"),
        ("search", {"query": None}, "query: it should be text"),
        ("search", {"query": "red", "language": "klingonisch!"}, "not a language tag"),
        ("search", {"top": 0, "folder": 3}, "query: is missing"),
        (
            "search",
            {"query": "red", "folder": "talk"},
            "no video below this folder: 'talk'. Did you mean 'talks'?",
        ),
        (
            "search",
            {"query": "red", "mode": "visuel"},
            "no search mode has this name: 'visuel'. Did you mean",
        ),
        ("moments", {"video_id": "0" * 32, "query": "red"}, "the library holds no such video"),
        ("lines", {"video_id": "'); DROP"}, "the library holds no such video"),
        ("lines", {"video_id": "x", "start_s": 9, "end_s": 3}, "no line can be there"),
        ("thumbnail", {"clip_id": "../../etc/passwd"}, "the library holds no such moment"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(library, tool, arguments, said):
    refused = refusal(call(library, tool, **arguments))
    assert said in refused
    assert "?." not in refused


def test_the_word_null_is_a_query(library):
    assert facts(call(library, "search", query="null"))["query"] == "null"


def test_a_picture_that_leads_out_of_the_library_is_refused(library, tmp_path):
    clip = facts(call(library, "search", query="rot", top=1))["hits"][0]
    picture, secret = Path(clip["thumbnail"]), tmp_path / "secret.jpg"
    kept = picture.read_bytes()
    secret.write_bytes(kept)
    picture.unlink()
    try:
        picture.symlink_to(secret)
        assert "has no picture" in refusal(call(library, "thumbnail", clip_id=clip["clip_id"]))
    finally:
        picture.unlink()
        picture.write_bytes(kept)


def command(library: Path) -> list[str]:
    return [sys.executable, "-m", "polyreel", "mcp", "--library", str(library)]


@contextlib.contextmanager
def started(library: Path) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(library), stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_client_starts_it_and_talks_to_it_on_standard_input_and_output(library):
    async def session() -> tuple[Any, CallToolResult, CallToolResult]:
        program, *arguments = command(library)
        server = StdioServerParameters(command=program, args=arguments, env=dict(os.environ))
        async with Client(server, read_timeout_seconds=120) as client:
            tools = await client.list_tools()
            return (
                tools,
                await client.call_tool("search", {"query": "đỏ", "top": 1}),
                await client.call_tool("search", {"query": "đỏ", "top": -1}),
            )

    tools, found, wrong = anyio.run(session)
    assert {tool.name for tool in tools.tools} == TOOLS.keys()
    assert Path(facts(found)["hits"][0]["video"]).name == "red.mp4"
    assert facts(found)["false_alarm_rate"] is not None  # an agent is told how much a match means
    assert "at least 1" in refusal(wrong)


def test_standard_output_is_the_protocol_and_nothing_else_and_it_ends_with_its_input(tmp_path):
    """A library that is not there is told at the call, so that it can be there at the next."""
    messages = [
        {
            "method": "initialize",
            "id": 1,
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "0"},
            },
        },
        {"method": "notifications/initialized"},
        {"method": "tools/call", "id": 2, "params": {"name": "videos", "arguments": {}}},
    ]
    with started(tmp_path / "nothing") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("this is not JSON\n")
        for message in messages:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        rest, errors = process.communicate(timeout=60)
    assert rest == ""
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert [answer["id"] for answer in answers] == [1, 2]
    told = answers[1]["result"]
    assert told["isError"]
    assert "no library is here" in told["content"][0]["text"]


def test_ctrl_c_ends_it(library):
    with started(library) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_without_the_extra_it_says_what_to_install(library, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel", None)
    monkeypatch.delitem(sys.modules, "polyreel.agents.serving")
    assert main(["mcp", "--library", str(library)]) == 2
    assert f"Install it with: {install_extra('mcp')}" in capsys.readouterr().err


# Cutting


def cut(library: Path, folder: Path | None, **arguments: Any) -> CallToolResult:
    async def session() -> CallToolResult:
        async with Client(create_server(lambda: opened, folder)) as client:
            return await client.call_tool("cut", arguments)

    with open_library(library) as opened:
        return anyio.run(session)


def test_a_moment_is_cut_into_the_folder_that_was_named_and_nowhere_else(library, tmp_path, talk_id):
    given = {"video_id": talk_id, "start_s": 1, "end_s": 3}
    made = facts(cut(library, tmp_path, **given, name="white.mp4"))
    assert made["file"] == str(tmp_path / "white.mp4")
    assert (made["start_s"], made["end_s"], made["pictures"]) == (1, 3, 10)
    (tmp_path / "link.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    for name, said in (
        ("white.mp4", "a file of this name is there"),
        ("link.mp4", "a file of this name is there"),
        ("../white.mp4", "a cut is written into one folder"),
        ("/tmp/white.mp4", "a cut is written into one folder"),
        (".hidden.mp4", "a cut is written into one folder"),
        ("white.exe", "no kind of file for a cut has this name"),
    ):
        assert said in refusal(cut(library, tmp_path, **given, name=name))
    assert "a cut has to end after it starts" in refusal(
        cut(library, tmp_path, **{**given, "end_s": 0.5}, name="a.mp4")
    )
    assert "did you mean" in refusal(cut(library, tmp_path, **given, nam="a.mp4")).lower()
    assert {path.name for path in tmp_path.iterdir()} == {"white.mp4", "link.mp4"}
    assert "no tool has this name: 'cut'" in refusal(cut(library, None, **given, name="b.mp4"))


def test_a_folder_for_cuts_has_to_be_there_and_apart_from_the_library(library, tmp_path, capsys):
    for folder, said in (
        (tmp_path / "none", "the folder for cuts is not there"),
        (library, "nothing is written into the folder of a library"),
    ):
        assert main(["mcp", "--library", str(library), "--cuts", str(folder)]) == 2
        assert said in capsys.readouterr().err


def test_a_least_match_is_asked_for(library):
    with open_library(library) as opened:
        opened.calibrate()
    found = call(library, "search", query="the dog runs away", min_match=50).structured_content
    assert [hit["video"].rsplit("/", 1)[1] for hit in found["hits"]] == ["talk.mp4"]
    assert found["left_out"] > 0
