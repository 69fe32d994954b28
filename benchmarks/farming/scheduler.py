"""The scheduler of a farm on one machine: hands out jobs, and does to workers what happens on farms."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import resource
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from pickle import UnpicklingError

from .jobs import Job
from .worker import Told, work

_FEW, _NICE = 4, 10
"""More workers than these leave the machine to others, by so much of Unix's niceness."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What happens to a farm."""

    killed: float = 0.0
    """Share of the jobs in whose middle the worker is killed."""
    stopped: float = 0.0
    """Share of the jobs in whose middle the worker stands still for a while."""
    torn: float = 0.0
    """For each finished job, the chance that a file of the store loses its second half."""
    outages: int = 0
    """Times that a fifth of all workers dies at once, as with a machine."""
    full: int = 0
    """Times that nobody can write, as on a full disk."""
    full_seconds: float = 1.0
    still_seconds: float = 2.0


@dataclass
class Attempt:
    """One start of a job."""

    job: int
    began: float
    told: list[Told] = field(default_factory=list)
    end: str = ""
    """``done``, ``killed`` or ``failed``."""
    seconds: float = 0.0
    complaint: str = ""


@dataclass
class Worker:
    process: BaseProcess
    pipe: Connection
    attempt: Attempt | None = None
    dead: bool = False
    kill_at: float = float("inf")
    stop_at: float = float("inf")
    go_at: float = float("inf")


class Farm:
    """Does jobs by some processes.

    Args:
        jobs: of the farm.
        output: the folder that all workers share.
        workers: processes.
        trouble: what happens to them.
        seed: of when it happens.
    """

    def __init__(self, jobs: Sequence[Job], output: Path, workers: int, trouble: Trouble, seed: int) -> None:
        self._jobs, self._output, self._count, self._trouble = jobs, output, workers, trouble
        self._nice = _NICE if workers > _FEW else 0
        self._rng = random.Random(seed)
        self._context = multiprocessing.get_context("fork")
        self.attempts: list[Attempt] = []
        self.torn: list[str] = []
        """Files, below the output folder."""
        self.happened: Counter[str] = Counter()
        self.seconds = 0.0

    def run(self, order: Sequence[int]) -> None:
        """Do jobs, by their numbers, until each has been done as often as it is named."""
        began, queue = time.monotonic(), deque(order)
        workers = [self._new_worker() for _ in range(min(self._count, len(order)))]
        left, due = len(order), self._plan(len(order))
        full_until = 0.0
        while left:
            now = time.monotonic()
            for worker in workers:
                if worker.attempt is None and queue and self._takes(worker, queue[0]):
                    queue.popleft()
                self._trouble_of(worker, now)
            full_until = self._full(workers, full_until, now)
            for worker in self._ready(workers):
                ended = self._listen(worker)
                if worker.dead:
                    workers[workers.index(worker)] = self._new_worker(full=full_until > 0)
                if ended is not None and ended.end != "done":
                    queue.append(ended.job)
                elif ended is not None:
                    left -= 1
                    self._maybe_tear()
                    for _ in range(due.pop(left, 0)):
                        full_until = self._disaster(workers, full_until)
        for worker in workers:
            with contextlib.suppress(ConnectionError):  # it was killed as it ended its job
                worker.pipe.send(None)
            worker.process.join()
        self.seconds = time.monotonic() - began

    def _plan(self, count: int) -> Counter[int]:
        """Jobs left -> disasters that happen then."""
        return Counter(self._rng.randrange(1, count) for _ in range(self._trouble.outages + self._trouble.full))

    def _new_worker(self, *, full: bool = False) -> Worker:
        ours, theirs = self._context.Pipe()
        words = [job.words for job in self._jobs]
        process = self._context.Process(target=work, args=(words, self._output, theirs, self._nice), daemon=True)
        process.start()
        theirs.close()
        if full:
            _limit(process, 0)
        return Worker(process, ours)

    def _takes(self, worker: Worker, job: int) -> bool:
        """Give a worker a job; whether it is alive."""
        now, typical = time.monotonic(), self._typical_seconds()
        try:
            worker.pipe.send(job)
        except ConnectionError:  # killed as it ended its job before; its pipe tells next
            return False
        worker.attempt = Attempt(job, now)
        self.attempts.append(worker.attempt)
        worker.kill_at = worker.stop_at = worker.go_at = float("inf")
        if self._rng.random() < self._trouble.killed:
            worker.kill_at = now + self._rng.uniform(0, typical)
        elif self._rng.random() < self._trouble.stopped:
            worker.stop_at = now + self._rng.uniform(0, typical)
        return True

    def _typical_seconds(self) -> float:
        done = [attempt.seconds for attempt in self.attempts[-200:] if attempt.end == "done"]
        return sum(done) / len(done) if done else 1.0

    def _trouble_of(self, worker: Worker, now: float) -> None:
        pid = worker.process.pid
        if pid is None or worker.attempt is None:
            return
        if now >= worker.kill_at:
            self.happened["workers killed"] += 1
            worker.kill_at = float("inf")
            os.kill(pid, signal.SIGKILL)
        elif now >= worker.stop_at:
            self.happened["workers that stood still"] += 1
            worker.stop_at, worker.go_at = float("inf"), now + self._trouble.still_seconds
            os.kill(pid, signal.SIGSTOP)
        elif now >= worker.go_at:
            worker.go_at = float("inf")
            os.kill(pid, signal.SIGCONT)

    def _disaster(self, workers: Sequence[Worker], full_until: float) -> float:
        """An outage or a full disk, by turns; returns until when the disk is full."""
        outages, full = self.happened["outages"], self.happened["full disks"]
        if outages < self._trouble.outages and (outages <= full or full == self._trouble.full):
            self.happened["outages"] += 1
            for worker in self._rng.sample(workers, max(1, len(workers) // 5)):
                if worker.attempt is not None and worker.process.pid is not None:
                    self.happened["workers killed"] += 1
                    os.kill(worker.process.pid, signal.SIGKILL)
            return full_until
        self.happened["full disks"] += 1
        for worker in workers:
            _limit(worker.process, 0)
        return time.monotonic() + self._trouble.full_seconds

    def _full(self, workers: Sequence[Worker], until: float, now: float) -> float:
        if not until or now < until:
            return until
        for worker in workers:
            _limit(worker.process, resource.RLIM_INFINITY)
        return 0.0

    def _ready(self, workers: Sequence[Worker]) -> Iterator[Worker]:
        by_pipe = {worker.pipe: worker for worker in workers}
        for pipe in wait([*by_pipe], timeout=0.05):
            yield by_pipe[pipe]  # type: ignore[index]

    def _listen(self, worker: Worker) -> Attempt | None:
        """What a worker tells; returns its attempt if that has ended."""
        attempt = worker.attempt
        try:
            told: Told = worker.pipe.recv()
        except (EOFError, ConnectionError, UnpicklingError):
            worker.process.join()
            assert worker.process.exitcode == -signal.SIGKILL, f"a worker ended by itself: {worker.process.exitcode}"
            worker.dead = True
            if attempt is None:  # it was killed as it ended its job
                return None
            attempt.end = "killed"
        else:
            assert attempt is not None
            attempt.told.append(told)
            if told.what != "ended":
                return None
            status, _, attempt.complaint = told.value
            attempt.end = "failed" if status else "done"
        attempt.seconds, worker.attempt = time.monotonic() - attempt.began, None
        return attempt

    def _maybe_tear(self) -> None:
        """Let a file lose its second half, as one that wasn't flushed when its machine died."""
        if self._rng.random() >= self._trouble.torn:
            return
        store = self._output / "run-store"
        files = [path for path in sorted([*store.rglob("*"), *self._output.glob("batches/*/pictures/*.png")])
                 if path.is_file() and path.stat().st_size > 1 and not path.name.endswith(".partial")
                 and "lock" not in path.name and not any(part.endswith(".partial") for part in path.parts)]  # fmt: skip
        if not files:
            return
        path = self._rng.choice(files)
        half = path.with_name(f".{path.name}.half")
        try:
            data = path.read_bytes()
            half.write_bytes(data[: len(data) // 2])
            half.replace(path)
        except FileNotFoundError:  # a worker has just removed it
            return
        self.torn.append(path.relative_to(self._output).as_posix())


def _limit(process: BaseProcess, size: int) -> None:
    """No file of this process may grow beyond so many bytes."""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    with contextlib.suppress(ProcessLookupError):  # it was killed
        resource.prlimit(
            process.pid or 0, resource.RLIMIT_FSIZE, (most if size == resource.RLIM_INFINITY else size, most)
        )
