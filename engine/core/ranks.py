"""The processes that train one adapter or draw one batch together, and the points where they meet.

Each process has a *rank*. Rank 0 leads: it holds the run's lock, saves and reports. All do the same pieces of work in
the same order and meet after each, so that what stops one stops all, and none waits for one that is gone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from .errors import TrainingError
from .events import Event

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")

PATIENCE = timedelta(minutes=30)
"""How long processes wait for each other. One that has died is noticed at once, unless its machine died with it."""
_LONGEST_REASON = 2000
"""Bytes of UTF-8."""


class RanksError(TrainingError):
    """Another process of those that work together has stopped or died."""


class Ranks:
    """A process that trains alone, which meets nobody; :class:`Group` is one among several."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process saves and reports."""
        return self.rank == 0

    def together(self, work: Generator[Event, None, T]) -> Generator[Event, None, T]:
        """Do this process's part of a piece of work, and go on when all have done theirs."""
        return (yield from work)

    def meet(self, value: int = 0) -> int:
        """Wait for all processes; returns the largest of their values.

        Raises:
            RanksError: one has stopped or died.
        """
        return value

    def shared(self, data: bytes) -> bytes:
        """What rank 0 has; the others' ``data`` counts for nothing."""
        return data


class Group(Ranks):
    """One of several processes, after ``torch.distributed`` has been initialized.

    What the processes tell each other about their work goes between their CPUs; gradients go between their devices.

    Args:
        device: of this process.
    """

    def __init__(self, device: torch.device) -> None:
        import torch.distributed as dist

        self.rank, self.count, self.device = dist.get_rank(), dist.get_world_size(), device
        self._stopped = self._lost = False
        """Whether one has said that it stops, or can't be reached."""

    def together(self, work: Generator[Event, None, T]) -> Generator[Event, None, T]:
        result, event = None, None
        with contextlib.closing(work):
            while True:
                if result is None:
                    try:
                        event = next(work)
                    except StopIteration as finished:
                        result, event = [finished.value], None
                if not self.meet(event is not None):
                    return result[0]  # type: ignore[index]
                yield event or Event()

    def meet(self, value: int = 0) -> int:
        return self._meet(value, None)

    def leave(self, reason: str) -> None:
        """Stop the others where they meet next, and wait until they have ended, rank 0 after having saved its state.

        Args:
            reason: why this process stops, for people. If another one has stopped before, nobody is told.
        """
        if not (self._stopped or self._lost):
            with contextlib.suppress(RanksError):
                self._meet(0, reason)
        if not self._lost:
            with contextlib.suppress(RanksError):
                self._gathered(b"")

    def shared(self, data: bytes) -> bytes:
        import torch
        import torch.distributed as dist

        size = torch.tensor([len(data)])
        with self._reaching():
            dist.broadcast(size, 0)
            buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8) if self.leads and data else None
            if buffer is None:
                buffer = torch.empty(int(size), dtype=torch.uint8)
            if buffer.numel():
                dist.broadcast(buffer, 0)
        return buffer.numpy().tobytes()

    def union(self, flags: Sequence[bool]) -> list[bool]:
        """Which of these flags is set in any of the processes."""
        import torch
        import torch.distributed as dist

        told = torch.tensor(flags, dtype=torch.uint8)
        with self._reaching():
            dist.all_reduce(told, dist.ReduceOp.MAX)
        return told.bool().tolist()

    def copy_first(self, tensor: Tensor) -> None:
        """Fill a contiguous tensor with the values that it has on rank 0."""
        import torch.distributed as dist

        with self._reaching():
            dist.broadcast(tensor, 0)

    def exchanged(self, parts: Tensor) -> Tensor:
        """Give part r to rank r, and get what all ranks have for this one, by rank; (count, n) to (count, n)."""
        import torch
        import torch.distributed as dist

        received = torch.empty_like(parts)
        with self._reaching():
            dist.all_to_all_single(received, parts)
        return received

    def joined(self, part: Tensor) -> Tensor:
        """The parts of all ranks, one after the other: (n,) to (count * n,)."""
        import torch.distributed as dist

        whole = part.new_empty(self.count * part.numel())
        gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor  # its name before torch 2.13
        with self._reaching():
            gather(whole, part)
        return whole

    def carried(self, work: Generator[Event, None, T]) -> Generator[Event, None, T]:
        """Work that all processes do from beginning to end; how it ends in one, it ends in all.

        A second Ctrl-C ends this process at once; the others notice that it is gone.
        """
        import torch.distributed as dist

        try:
            result = yield from work
            self.meet()
            return result
        except (KeyboardInterrupt, SystemExit):
            raise
        except GeneratorExit:
            self.leave("it was canceled.")
            raise
        except BaseException as error:
            self.leave(str(error) or type(error).__name__)
            raise
        finally:
            dist.destroy_process_group()

    def _meet(self, value: int, reason: str | None) -> int:
        import torch
        import torch.distributed as dist

        told = torch.tensor([reason is not None, value], dtype=torch.int64)
        with self._reaching():
            dist.all_reduce(told, dist.ReduceOp.MAX)
        if not told[0]:
            return int(told[1])
        reasons = self._gathered((reason or "").encode()[:_LONGEST_REASON])
        self._stopped = True
        stopped = {rank: text.decode(errors="ignore") for rank, text in enumerate(reasons) if text}
        raise RanksError("\n".join(f"Process {rank} has stopped: {t}" for rank, t in stopped.items()))

    def _gathered(self, text: bytes) -> list[bytes]:
        """The texts of all processes, by rank."""
        import torch

        own = torch.zeros(_LONGEST_REASON, dtype=torch.uint8)
        own[: len(text)] = torch.tensor(list(text), dtype=torch.uint8)
        whole = self.joined(own).view(self.count, -1)
        return [row.numpy().tobytes().rstrip(b"\0") for row in whole]

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Within the block, an error of the network is one of ours."""
        try:
            yield
        except RuntimeError as error:
            self._lost = True
            raise RanksError(
                f"Another process has died, or can't be reached: {str(error).splitlines()[0]}",
                expected=f"all {self.count} processes",
                hint="look for its own message; run again to go on from what is saved.",
            ) from error
