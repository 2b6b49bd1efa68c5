"""A picture or a clip out of a form, decoded in a limited process."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from polyreel.errors import LibraryError
from polyreel.library.search.examples import Example, encode_example
from polyreel.server.errors import RequestError
from polyreel.server.state import Server

__all__ = ["Form", "form_in", "read_example"]

Form = Mapping[str, str | UploadFile]

_MAX_FIELDS = 8
_PIECE = 1 << 20
_CHARSETS = {"utf-8", "utf8", "us-ascii"}


@asynccontextmanager
async def form_in(request: Request) -> AsyncIterator[Form]:
    """The fields of a form of at most one file, which is gone afterwards.

    Raises:
        RequestError: it is not a form.
    """
    kind, charset = _kind_and_charset(request.headers.get("content-type", ""))
    if kind not in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        raise RequestError("the request is not a form", value=kind[:100] or "no content type")
    if charset not in _CHARSETS:  # others decode to what is no text, or run code pages of their own
        raise RequestError("the form is not in UTF-8", value=charset[:100])
    try:
        form = await request.form(max_files=1, max_fields=_MAX_FIELDS)
    except HTTPException as error:
        raise RequestError("the form cannot be read", value=error.detail) from error
    except ValueError as error:
        raise RequestError("the form cannot be read") from error
    except KeyError as error:  # a multipart form without a boundary
        raise RequestError("the form cannot be read", value=f"no {error}") from error
    except OSError as error:  # a file goes to the disk while it arrives
        raise LibraryError(
            "there is no room for the file", value=error.strerror, remedy="Free some space"
        ) from error
    try:
        yield form
    finally:
        await form.close()


def _kind_and_charset(content_type: str) -> tuple[str, str]:
    kind, options = parse_options_header(content_type)
    charset = options.get(b"charset", b"utf-8")
    return kind.decode("latin-1").lower(), charset.decode("latin-1").lower()


async def read_example(form: Form, server: Server) -> Example:
    """The picture or clip in the field ``file``.

    Raises:
        RequestError: there is no file.
        MediaError: it is neither a picture nor a video.
        OverloadError: too many others are being decoded.
    """
    upload = form.get("file")
    if not isinstance(upload, UploadFile) or not upload.filename:
        raise RequestError("the form holds no file", remedy="Choose a picture or a clip")
    async with server.decoding.slot():
        return await asyncio.to_thread(_decode, upload, server)


def _decode(upload: UploadFile, server: Server) -> Example:
    name = Path(upload.filename or "file").name[:100]
    try:
        with tempfile.NamedTemporaryFile(prefix="polyreel-") as file:
            while piece := upload.file.read(_PIECE):
                file.write(piece)
            file.flush()
            return encode_example(Path(file.name), server.library.bundle, name=name)
    except OSError as error:
        raise LibraryError(
            "there is no room for the file", value=error.strerror, remedy="Free some space"
        ) from error
