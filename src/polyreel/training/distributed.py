"""Several processes that share every batch: their vectors are gathered, their gradients added up.

Each process computes the towers on its part and the loss on everything. A process's own vectors carry the
gradient, those of the others are constants to it; as every process sees the whole loss, the gradient of each
part is complete, and adding up over processes gives the gradient of the full batch exactly.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]  # they are C++

from polyreel.errors import TrainingError
from polyreel.training.optimiser import summed_rows

__all__ = ["Group", "joined"]

_BEATS = "polyreel/beats"
_BEAT_S = 0.5
# A process that computes beats on, in a thread of its own; this long a silence means that it is gone.
_SILENCE_S = 5.0
# Rank 0 validates alone while the others wait for it.
_PATIENCE = timedelta(hours=4)


class Group:
    """The processes of a run; alone, everything here is the identity.

    Attributes:
        rank, size: which of how many this is.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def gather(self, own: Tensor) -> Tensor:
        """Rows of all processes in order of their ranks; the gradient flows to this process's ``own``."""
        if self.size == 1:
            return own
        parts = self.collect(own.detach())
        parts[self.rank] = own
        return torch.cat(parts)

    def collect(self, own: Tensor) -> list[Tensor]:
        """The tensor of each process, which may differ in their number of rows."""
        if self.size == 1:
            return [own]
        counts = [torch.zeros(1, dtype=torch.int64, device=own.device) for _ in range(self.size)]
        dist.all_gather(counts, torch.tensor([len(own)], device=own.device))
        longest = max(int(count) for count in counts)
        # Collectives know no bool on some backends.
        sent = own.to(torch.uint8) if own.dtype == torch.bool else own
        padded = sent.new_zeros(longest, *own.shape[1:])
        padded[: len(own)] = sent
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        return [part[: int(count)].to(own.dtype) for part, count in zip(parts, counts, strict=True)]

    def reduce_gradients(
        self,
        *,
        own: Sequence[nn.Parameter],
        shared: Sequence[nn.Parameter],
        sparse: Sequence[nn.Parameter] = (),
    ) -> None:
        """Make the gradients of all processes those of the full batch.

        Args:
            own: parameters of the towers: every process has the gradient of its part.
            shared: parameters that the loss itself uses: every process has the whole gradient.
            sparse: like ``own``, with sparse gradients: only the rows that some process has are sent.
        """
        for parameter in sparse:
            self._reduce_rows(parameter)
        for parameter in (*own, *shared):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.size == 1:
            return
        gradients = [p.grad for p in own] + [p.grad / self.size for p in shared if p.grad is not None]
        present = [gradient for gradient in gradients if gradient is not None]
        flat = torch.cat([gradient.flatten() for gradient in present])
        dist.all_reduce(flat)
        place = 0
        for parameter in (*own, *shared):
            parameter.grad = flat[place : place + parameter.numel()].view_as(parameter)
            place += parameter.numel()

    def _reduce_rows(self, parameter: nn.Parameter) -> None:
        if parameter.grad is None:
            none = parameter.new_zeros(0, *parameter.shape[1:])
            parameter.grad = summed_rows([(none.new_zeros(0, dtype=torch.int64), none)], parameter.shape)
        if self.size > 1:
            own = parameter.grad.coalesce()
            parts = zip(self.collect(own.indices()[0]), self.collect(own.values()), strict=True)
            parameter.grad = summed_rows(parts, parameter.shape)

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether ``flag`` is true in any process."""
        if self.size == 1:
            return flag
        shared_value = torch.tensor([int(flag)], device=device)
        dist.all_reduce(shared_value, op=dist.ReduceOp.MAX)
        return bool(shared_value.item())

    def from_main(self, number: float, device: torch.device) -> float:
        """The number that rank 0 has."""
        if self.size == 1:
            return number
        shared_value = torch.tensor([number], dtype=torch.float64, device=device)
        dist.broadcast(shared_value, src=0)
        return float(shared_value.item())


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """The group that ``torchrun`` started this process in, or a group of one.

    Raises:
        TrainingError: another process of the group has died or failed; says which.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if size == 1:
        yield Group()
        return
    store = _store(rank, size)
    attempt = f"polyreel/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(
        backend, store=PrefixStore(attempt, store), rank=rank, world_size=size, timeout=_PATIENCE
    )
    heart = _Heart(rank, size, _store(rank, size, hosted=True))
    try:
        with heart:
            try:
                yield Group(rank, size)
            except RuntimeError as error:  # what collectives raise when a peer is gone
                if isinstance(error, torch.OutOfMemoryError) or not (lost := heart.lost()):
                    raise
                raise TrainingError(
                    "another process of this run has died",
                    item=", ".join(f"rank {other}" for other in lost),
                    value=f"rank {rank} stops",
                    remedy="See what it printed; then run the same command with --resume auto",
                ) from error
    finally:
        # With a dead peer there is nobody to take leave of.
        if not heart.known_lost:
            dist.destroy_process_group()


class _Heart:
    """Tells the other processes, twice a second, that this one lives, and can say which do not."""

    def __init__(self, rank: int, size: int, store: TCPStore) -> None:
        self._rank, self._others = rank, [other for other in range(size) if other != rank]
        self._store = store
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
        self.known_lost: list[int] = []

    def __enter__(self) -> _Heart:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def lost(self) -> list[int]:
        """Ranks that give no sign of life; waits for one."""
        before = self._counts(self._others)
        deadline = time.monotonic() + _SILENCE_S
        silent = list(self._others)
        while silent and time.monotonic() < deadline:
            time.sleep(_BEAT_S)
            now = self._counts(silent)
            silent = [rank for rank in silent if now[rank] is None or now[rank] == before[rank]]
        self.known_lost = silent
        return silent

    def _counts(self, ranks: Iterable[int]) -> dict[int, int | None]:
        return {rank: self._count(rank) for rank in ranks}

    def _count(self, rank: int) -> int | None:
        try:
            return int(self._store.add(f"{_BEATS}/{rank}", 0))
        except RuntimeError:  # the store went with the process that kept it
            return None

    def _beat(self) -> None:
        while not self._stopped.wait(_BEAT_S):
            try:
                self._store.add(f"{_BEATS}/{self._rank}", 1)
            except RuntimeError:
                return


def _store(rank: int, size: int, *, hosted: bool = False) -> TCPStore:
    """A connection to the store of torchrun; where it keeps none, rank 0 begins one unless ``hosted``."""
    by_agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        size,
        is_master=rank == 0 and not hosted and not by_agent,
        wait_for_workers=False,
    )
