"""The processes that decode for this one."""

from __future__ import annotations

import psutil


def fork_servers() -> list[psutil.Process]:
    """What starts decoders: at most one, but where tests have killed one and it was not waited for."""
    children = psutil.Process().children()
    return [child for child in children if "polyreel.media.fork_server" in child.cmdline()]


def running_decoders() -> set[int]:
    """Process ids of the decoders that run."""
    return {decoder.pid for server in fork_servers() for decoder in server.children()}
