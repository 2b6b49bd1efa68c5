"""``polyreel serve``: a page to search with, and an API for programs."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from polyreel.cli.options import AskedPath, Device, Json, LibraryOption, default_library, load_bundle
from polyreel.cli.output import print_json, stderr, stdout
from polyreel.errors import UsageError
from polyreel.extras import missing_extra
from polyreel.remote.address import asked_place, is_address

if TYPE_CHECKING:
    from polyreel.encoders.runtime import Bundle

__all__ = ["serve"]

_TOKEN = "POLYREEL_TOKEN"  # noqa: S105  the name of a variable


def serve(
    *,
    library: LibraryOption = None,
    host: str = ("127.0.0.1"),
    port: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))] = 8420,
    root: Annotated[tuple[AskedPath, ...], Parameter(negative="", show_default=False)] = (),
    name: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    rate: Annotated[float | None, Parameter(validator=validators.Number(gte=0))] = None,
    max_upload: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=4096))] = 64,
    root_path: str = "",
    log_queries: Annotated[bool, Parameter(negative="")] = False,
    device: Device = None,
    json: Json = False,
) -> int:
    """Serve a page to search with, and a REST API for programs.

    Only this machine can reach it by default. For others, set POLYREEL_TOKEN to a secret and give --host.

    Example: polyreel serve --library demo-library

    Args:
        host: Address to listen on; others than this machine need a token.
        port: Port; 0 takes a free one.
        root: A folder that may be indexed from the page; can be repeated.
        name: A host name that it may be asked under; can be repeated.
        rate: Searches a second for each client; 0 is no limit. By default 20 for other machines.
        max_upload: Largest file to search with, in MB.
        root_path: Path under which a reverse proxy shows the server, such as /videos.
        log_queries: Log what is searched for.
    """
    # numpy reads it when it is imported, below. After a product OpenBLAS's threads wait for the next busily,
    # for 2^26 cycles if nobody says less, on the cores that encode the next queries.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    try:
        from polyreel.server.serving import serve as serve_library
        from polyreel.server.settings import ServerSettings
    except ModuleNotFoundError as error:
        raise missing_extra(
            "serve", "a package that the server needs is not installed", item=error.name
        ) from error

    settings = ServerSettings(
        library=default_library(library),
        host=host,
        port=port,
        token=os.environ.get(_TOKEN) or None,  # type: ignore[arg-type]
        roots=tuple(map(_local_root, root)),
        names=name,
        searches_per_s=rate,
        max_upload_bytes=max_upload << 20,
        root_path=root_path.rstrip("/"),
        log_queries=log_queries,
    )

    def load(name_or_folder: str) -> Bundle:
        bundle = load_bundle(name_or_folder, device=device)
        bundle.prepare_for_many_texts()
        return bundle

    def print_address(address: str) -> None:
        if json:
            print_json({"address": address, "library": str(settings.library)})
        else:
            stdout.print(address, markup=False, soft_wrap=True)
            stderr.print("Ctrl-C ends it.", style="dim")

    for folder in settings.roots:
        if not folder.is_dir():  # it may come, such as a drive that is mounted later
            said = f"no folder is at --root now: {folder}. Check the path, and that its drive is mounted."
            stderr.print(said, style="yellow", markup=False, soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):  # that is how one ends it
        serve_library(settings, load, on_ready=print_address)
    return 0


def _local_root(folder: Path) -> Path:
    found = asked_place(folder)
    if is_address(found):
        raise UsageError(
            "the page indexes folders of this machine alone",
            item=found,
            remedy="Run 'polyreel index' on a bucket; the page shows what is indexed",
        )
    return found
