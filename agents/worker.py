"""The worker: a process of its own that does the jobs of a run store one after the other.

It ends when there was nothing to do for a while, so that the memory of a GPU is free again. Whoever asked for a job may
be gone by then: results lie with the job.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..engine.core.errors import ConfigError, WorkbenchError
from ..engine.core.events import Event, Message, RunOpened
from ..engine.core.hashing import value_hash
from ..engine.core.resources import PROJECT_ROOT
from ..engine.core.stamps import file_stamp
from ..engine.core.words import printable
from ..nodes.host.progress import Meter
from .backend import Backend, DrawRequest, Ended, Request, Result, TrainRequest
from .jobs import Job, Jobs, Phase, State
from .opening import backend_of
from .places import Place

IDLE_SECONDS = 300.0
"""That a worker waits for another job, with its base model in memory."""
MOST_ATTEMPTS = 5
"""Workers that may be killed while they do one job, before it counts as failed."""
EVERY_SECONDS = 0.3
"""Between two looks for a request to stop, and between two notes of the state."""
_POLL_SECONDS = 0.2
_LOCK_SECONDS = 3.0
"""Those who only look whether there is a worker hold its lock for a moment."""
_START_SECONDS = 15.0
"""That a worker which was started may take until it holds the lock."""
_MOST_FAILURES = 3
_SAID = 20
"""Messages that are kept."""
_WORK = "--work"


class _Terminated(Ended):
    """The worker itself is to end; its job goes on with the next one."""

    goes_on = True


class JobWatch:
    """The :class:`~.backend.Watch` of a job in this process.

    Args:
        job: that is done.
        state: as it begins.
        keeps: whether the job stops by itself when it is asked to, with what it has.
    """

    def __init__(self, job: Job, state: State, *, keeps: bool) -> None:
        self._job, self.state, self._keeps = job, state, keeps
        self._meter = Meter()
        self._looked = self._written = float("-inf")
        self._stop = False

    @property
    def folder(self) -> Path:
        return self._job.folder

    def show(self, event: Event) -> None:
        if _is_terminated:
            raise _Terminated
        self._note(event)
        if self.stop_wanted() and not self._keeps:
            raise Ended

    def stop_wanted(self) -> bool:
        now = time.monotonic()
        if not self._stop and now - self._looked >= EVERY_SECONDS:
            self._looked = now
            self._stop = self._job.is_asked_to_stop()
        return self._stop

    def remember(self, **facts: Any) -> None:
        self._write(replace(self.state, remembered={**self.state.remembered, **facts}))

    @property
    def remembered(self) -> Mapping[str, Any]:
        return self.state.remembered

    def _note(self, event: Event) -> None:
        """Keep what an event tells, at once if people have to see it."""
        state, is_news = self.state, True
        if isinstance(event, Message):
            state = replace(state, said=(*state.said, printable(event.text))[-_SAID:])
        elif isinstance(event, RunOpened):
            state = replace(state, run=event.lineage)
        elif reading := self._meter.read(event):
            state = replace(state, done=reading.done, total=reading.total, now=reading.text())
            is_news = time.monotonic() - self._written >= EVERY_SECONDS
        else:
            return
        if is_news:
            self._write(state)
        else:
            self.state = state

    def _write(self, state: State) -> None:
        self.state = self._job.keep(state)
        self._written = time.monotonic()


_is_terminated = False


def work(folder: Path, idle: float = IDLE_SECONDS) -> None:
    """Do jobs until there was none for a while, unless another process does them.

    Args:
        folder: of the jobs.
        idle: seconds.
    """
    signal.signal(signal.SIGTERM, _on_signal)
    signal.signal(signal.SIGINT, _on_signal)
    jobs, backends, code = Jobs(folder), dict[Place, Backend](), code_stamp()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(Timeout), FileLock(jobs.lock, timeout=_LOCK_SECONDS):
        until = time.monotonic() + idle
        while not _is_terminated and time.monotonic() < until:
            waiting = jobs.unfinished()
            if waiting and code_stamp() != code:
                break  # this program was updated: a new process does the rest
            if waiting:
                _do(waiting[0], backends)
                jobs.forget_old()
                until = time.monotonic() + idle
            else:
                time.sleep(_POLL_SECONDS)


def code_stamp() -> str:
    """Changes with the code of this program on disk."""
    units = (PROJECT_ROOT / unit for unit in ("agents", "cli", "engine", "headless", "nodes"))
    return value_hash([[str(path), *file_stamp(path)] for unit in units for path in sorted(unit.rglob("*.py"))])


def _on_signal(*_: object) -> None:
    global _is_terminated
    _is_terminated = True


def _do(job: Job, backends: dict[Place, Backend]) -> None:
    """Do a job, and write what became of it."""
    before = job.state()
    state = replace(before, phase="running", attempts=before.attempts + 1, began=time.time(), problem="")
    try:
        request = job.request()
        if job.is_asked_to_stop() and not before.attempts:
            raise Ended
        if state.attempts > MOST_ATTEMPTS:
            raise ConfigError(
                f"{MOST_ATTEMPTS} processes ended while they did this job.",
                expected="one that comes to its end",
                hint=f"memory may be short; {job.folder.parent / 'worker.log'} may tell more.",
            )
        watch = JobWatch(job, job.keep(state), keeps=isinstance(request, TrainRequest))
        result = _result(request, watch, _backend(job.place(), backends))
        phase: Phase = "stopped" if result.stopped else "finished"
        _end(job, watch.state, phase, result=asdict(result))
    except _Terminated:
        return
    except Ended:
        _end(job, job.state(), "cancelled")
    except Exception as error:
        if not isinstance(error, (WorkbenchError, OSError)):
            (job.folder / "log.txt").write_text(traceback.format_exc(), encoding="utf-8")
        _end(job, job.state(), "failed", problem=_problem(error, job))


def _end(job: Job, state: State, phase: Phase, **facts: Any) -> None:
    job.keep(replace(state, phase=phase, ended=time.time(), **facts))


def _backend(place: Place, backends: dict[Place, Backend]) -> Backend:
    """The one that was used last; of another place, a new one in its stead, as both may not fit in memory."""
    if place not in backends:
        backends.clear()
        backends[place] = backend_of(place)
    return backends[place]


def _result(request: Request, watch: JobWatch, backend: Backend) -> Result:
    if isinstance(request, DrawRequest):
        return backend.draw(request, watch)
    return backend.train(request, watch) if isinstance(request, TrainRequest) else backend.run(request, watch)


def _problem(error: Exception, job: Job) -> str:
    if isinstance(error, (WorkbenchError, OSError)) or isinstance(error.__cause__, (WorkbenchError, OSError)):
        return str(error)
    return f"{type(error).__name__}: {error}\nThis is a bug; {job.folder / 'log.txt'} has what developers need."


class Workers:
    """Sees to it that somebody does the jobs.

    Args:
        jobs: to be done.
        idle: seconds that a worker waits for another one.
    """

    def __init__(self, jobs: Jobs, idle: float = IDLE_SECONDS) -> None:
        self._jobs, self._idle = jobs, idle
        self._process: subprocess.Popen[Any] | None = None
        self._started = float("-inf")
        self._failures = 0
        """Workers in a row that ended by an error."""

    def ensure(self) -> None:
        """Start a worker if there are jobs and nobody does them.

        Raises:
            ConfigError: the last ones that were started ended at once.
            OSError: no process can be started, or its log can't be written.
        """
        self._look_back()
        if self._is_starting() or not self._jobs.unfinished() or self._jobs.is_worked_on():
            return
        self._jobs.folder.mkdir(parents=True, exist_ok=True)
        with open(self._jobs.folder / "worker.log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__.partition(".")[0], "mcp", _WORK, str(self._jobs.folder),
                 "--idle", f"{self._idle:g}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **_detached(),
            )  # fmt: skip
        self._started = time.monotonic()

    def _look_back(self) -> None:
        """Count what became of the worker that was started last.

        Raises:
            ConfigError: too many ended by an error.
        """
        code = self._process.poll() if self._process else None
        if code is None:
            return
        self._process, self._failures = None, self._failures + 1 if code else 0
        if self._failures > _MOST_FAILURES:
            self._failures = 0
            raise ConfigError(
                "The process that does jobs ends by an error whenever it is started.",
                expected="one that goes on",
                hint=f"{self._jobs.folder / 'worker.log'} tells why; the job waits, and goes on once that is mended.",
            )

    def _is_starting(self) -> bool:
        """Whether one that was started just now doesn't hold the lock yet."""
        ended = self._process is None or self._process.poll() is not None
        return not ended and time.monotonic() - self._started < _START_SECONDS and not self._jobs.is_worked_on()


def _detached() -> dict[str, Any]:
    """What keeps a process alive when the one that started it, or its terminal, ends."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
