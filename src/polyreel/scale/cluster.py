"""A Ray cluster: one that is there is joined, and for this machine alone one is started."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
import re
import secrets
import socket
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Self

from polyreel.errors import UsageError
from polyreel.extras import missing_extra
from polyreel.interrupts import uninterrupted
from polyreel.scale.driver_folder import driver_folder

__all__ = ["LOCAL", "Cluster", "require_address"]

LOCAL = "local"
"""Address that starts a cluster of this machine, which ends with the run."""

_HERE = "auto"
_HOST_AND_PORT = re.compile(r"\[?[\w.:-]+\]?:\d{1,5}")
# What passes through it are hashes, vectors and small pictures. Ray's own choice, a third of the memory,
# would starve the decoders.
_STORE_BYTES = 200 << 20
_PATIENCE_S = 10.0
# Read when Ray is imported, and by what it starts.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
_ALONE = {
    **_QUIET,
    # By this, which is named after the systems where Ray itself sets it, its servers listen on the loopback
    # interface; else they do on the machine's address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    # What else runs on this machine waits no more for a run with Ray than for one without.
    "RAY_worker_niceness": "0",
}


def require_address(address: str) -> str:
    """What names a cluster: ``local``, ``auto`` (the one whose node this machine is) or HOST:PORT.

    Raises:
        UsageError: it is none of these, or Ray is not installed.
    """
    if find_spec("ray") is None:
        raise missing_extra("scale", "--ray needs Ray, which is not here")
    if address not in {LOCAL, _HERE} and not _HOST_AND_PORT.fullmatch(address):
        raise UsageError(
            "not the address of a Ray cluster",
            item=address,
            remedy="Write --ray local, --ray auto or --ray HOST:PORT",
        )
    return address


class Cluster:
    """A cluster that this process is the driver of, from ``join`` to the end of the outermost ``with`` block.

    A local one listens on this machine alone, takes nobody without its token, reports to nobody, has no
    dashboard, and is gone at the end.

    Args:
        address: as ``require_address`` takes it.
        cpus: how many a local cluster has.

    Raises:
        UsageError: this is no address, or Ray is not installed.
    """

    def __init__(self, address: str, *, cpus: int = 2) -> None:
        self._address, self._cpus = require_address(address), cpus
        self._blocks, self._is_joined = 0, False
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._blocks += 1
        return self

    def __exit__(self, *_raised: object) -> None:
        self._blocks -= 1
        if not self._blocks:
            self._is_joined = False
            self._undo.close()

    def join(self) -> None:
        """Join it, or start it, unless that is done.

        Raises:
            UsageError: there is no such cluster, or it does not let us in.
        """
        if not self._is_joined:
            self._undo.enter_context(_joined(self._address, cpus=self._cpus))
            self._is_joined = True


@contextlib.contextmanager
def _joined(address: str, *, cpus: int) -> Iterator[None]:
    with contextlib.ExitStack() as undo:
        options: dict[str, object] = {"address": address}
        if address == LOCAL:
            undo.enter_context(_environment({**_ALONE, "RAY_AUTH_TOKEN": _token()}))
            # Ray opens its own, and its sockets, to all users; the folder around it keeps them out.
            place = undo.enter_context(driver_folder()) / "r"
            options |= {"num_cpus": cpus, "object_store_memory": _STORE_BYTES, "_temp_dir": str(place)}
            options |= {"include_dashboard": False}
        else:
            undo.enter_context(_environment(_QUIET))
            _require_answer(address if address != _HERE else os.environ.get("RAY_ADDRESS", ""))
        import ray

        # LanceDB warns of every fork once it is loaded; what Ray forks becomes another program at once.
        undo.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "lancedb fork support", RuntimeWarning)
        undo.callback(_leave)
        try:
            # Half started, it would leave processes behind.
            with uninterrupted():
                ray.init(log_to_driver=False, logging_level="ERROR", configure_logging=False, **options)
        # Ray raises classes without a common base here: of its own, of gRPC, ConnectionError, ValueError.
        except Exception as error:
            raise _not_joined(address, error) from error
        if address == LOCAL and not ipaddress.ip_address(ray.util.get_node_ip_address()).is_loopback:
            raise UsageError(
                "the Ray cluster of this machine can be reached from others",
                value=ray.util.get_node_ip_address(),
                remedy="Import polyreel before Ray, or start a cluster of your own and pass --ray HOST:PORT",
            )
        yield


@functools.cache
def _token() -> str:
    """One for all clusters of this process: Ray reads it once."""
    return secrets.token_hex(32)


def _leave() -> None:
    import ray

    with uninterrupted():
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Ray itself waits for minutes."""
    if not _HOST_AND_PORT.fullmatch(address):
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        raise _not_joined(address, error) from error


def _not_joined(address: str, error: Exception) -> UsageError:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    if address == LOCAL:
        return UsageError("no Ray cluster could be started on this machine", value=said)
    return UsageError(
        "the Ray cluster cannot be joined",
        item=address,
        value=said,
        remedy="Run this on one of its nodes ('ray status' shows them), with its RAY_AUTH_TOKEN",
    )


@contextlib.contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
