"""Settings of a server."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from polyreel.errors import UsageError

__all__ = ["MIN_TOKEN_CHARS", "ServerSettings", "is_loopback"]

MIN_TOKEN_CHARS = 16
_ROOT_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")


class ServerSettings(BaseModel):
    """Settings of one server.

    Attributes:
        library: folder of the library.
        host, port: where it listens; port 0 takes a free one.
        token: what every request has to show; needed beyond the own machine.
        roots: folders that may be indexed from the page and the API, with all below them.
        names: host names that it answers to, besides addresses and the machine's own names.
        searches_per_s: searches of one client each second, with bursts of ten times that; 0 is no limit. None
            is ``DEFAULT_SEARCHES_PER_S`` for other machines and no limit for this one.
        max_upload_bytes: size of an example to search with.
        head_timeout_s, body_timeout_s: how long a client may take for the head of a request, and between
            two pieces of its body.
        root_path: path under which a reverse proxy shows the server, such as "/videos"; empty for none.
        log_queries: whether addresses are logged with their query text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    library: Path
    host: str = "127.0.0.1"
    port: int = Field(default=8420, ge=0, le=65_535)
    token: SecretStr | None = None
    roots: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    searches_per_s: float | None = Field(default=None, ge=0)
    max_upload_bytes: int = Field(default=64 << 20, gt=0)
    head_timeout_s: float = Field(default=30.0, gt=0)
    body_timeout_s: float = Field(default=20.0, gt=0)
    root_path: str = ""
    log_queries: bool = False

    def require_safe(self) -> None:
        """Refuse to be reached from other machines without a token, or with a short one; check the root path.

        Raises:
            UsageError: saying what to do.
        """
        if not _ROOT_PATH.fullmatch(self.root_path):
            raise UsageError(
                "not a path that a server can be shown under",
                item=repr(self.root_path[:100]),
                remedy="Begin it with a slash and end it without one, as in --root-path /videos",
            )
        if self.token is None:
            if not is_loopback(self.host):
                raise UsageError(
                    "a server that other machines can reach needs a token",
                    item=self.host,
                    remedy=(
                        "Set POLYREEL_TOKEN to a secret of at least "
                        f"{MIN_TOKEN_CHARS} characters, or serve on 127.0.0.1"
                    ),
                )
        elif len(self.token.get_secret_value()) < MIN_TOKEN_CHARS:
            raise UsageError(
                "the token is too short to be a secret",
                value=f"{len(self.token.get_secret_value())} characters, at least {MIN_TOKEN_CHARS}",
                remedy='Make one with: python -c "import secrets; print(secrets.token_urlsafe())"',
            )


def is_loopback(host: str) -> bool:
    """Whether an address or name stands for the own machine, whatever a resolver may say."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
