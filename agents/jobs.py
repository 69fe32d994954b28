"""Jobs that outlive whoever asked for them: a folder each, which servers write requests to and workers their progress.

- ``request.json``: what was asked for, and where it is done; never changed.
- ``state.json``: what its worker says of it; not there before it has begun.
- ``stop``: there when somebody asked for it to stop.

A job whose worker was killed says in its state that it is running while nobody holds the worker's lock: it is
*interrupted*, and the next worker goes on with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..engine.core.errors import ConfigError
from ..engine.core.file_names import usable
from ..engine.core.hashing import value_hash
from ..engine.core.locks import if_free
from ..engine.core.storage import cannot_write, write_bytes, write_json
from ..engine.core.words import did_you_mean, first_of
from .backend import Picture, Request, Result, as_json, from_json
from .places import Place

Phase = Literal["queued", "running", "interrupted", "finished", "stopped", "cancelled", "failed"]
"""``stopped``: on request, with what it had; ``cancelled``: on request, without a result."""
ENDED: tuple[Phase, ...] = ("finished", "stopped", "cancelled", "failed")
KEPT = 300
"""Ended jobs that are remembered; what they made is kept in any case."""
_LONGEST = 40
_NUMBER = re.compile(r"(\d{4,})-")


@dataclass(frozen=True, kw_only=True)
class State:
    """What a worker says of a job, as JSON values."""

    phase: Phase = "queued"
    attempts: int = 0
    """Workers that have begun it."""
    began: float = 0.0
    """In seconds since the epoch, of the last worker; 0 before."""
    ended: float = 0.0
    done: int = 0
    total: int = 0
    """Of the piece of work that goes on; 0 where that isn't known."""
    now: str = ""
    """What goes on, in words: ``training 120/300, 5.1 steps/s, loss 0.0812, 35 s left``."""
    said: tuple[str, ...] = ()
    """The last messages."""
    ticks: int = 0
    """Rises with each change."""
    run: str = ""
    """Lineage of the training that goes on, as the run store has it."""
    remembered: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    """Why it failed."""


class Job:
    """A job, by its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name
        self._stop = folder / "stop"

    def told(self) -> Mapping[str, Any]:
        """The whole request, as JSON values.

        Raises:
            ConfigError: it is damaged.
        """
        try:
            return json.loads((self.folder / "request.json").read_bytes())
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error

    def request(self) -> Request:
        """
        Raises:
            ConfigError: it is damaged, or of another version.
        """
        try:
            return from_json(self.told()["request"])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise self._damaged(error) from error

    def place(self) -> Place:
        """Where it is done.

        Raises:
            ConfigError: it is damaged, or of another version.
        """
        try:
            return Place.from_json(self.told()["place"])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise self._damaged(error) from error

    def state(self) -> State:
        """What its last worker said of it."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            told = json.loads((self.folder / "state.json").read_bytes())
            return State(**{**told, "said": tuple(told["said"])})
        return State()

    def keep(self, state: State) -> State:
        """Write what a worker says.

        Raises:
            StorageError: it can't be written.
        """
        state = replace(state, ticks=state.ticks + 1)
        write_json(self.folder / "state.json", asdict(state))
        return state

    def ask_to_stop(self) -> None:
        """
        Raises:
            StorageError: it can't be written.
        """
        write_bytes(self._stop, b"")

    def is_asked_to_stop(self) -> bool:
        return self._stop.exists()

    def result(self) -> Result:
        """What it has made so far; nothing before its end."""
        told = dict(self.state().result)
        with contextlib.suppress(TypeError, KeyError):
            return Result(**{**told, "pictures": tuple(Picture(**picture) for picture in told.get("pictures", ()))})
        return Result()

    def _damaged(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"The request of the job {self.id} can't be read: {error!r}.",
            expected="the file that was written when it was asked for",
            hint="ask for the same again.",
        )


class Jobs:
    """The jobs of a run store.

    Args:
        folder: of all of them; created when one is added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = folder / "worker.lock"
        """Held by the worker."""
        self._ended: set[str] = set()
        """Ids of jobs that were seen to have ended, which is for good."""

    def all(self) -> list[Job]:
        """In the order in which they were asked for."""
        if not self.folder.is_dir():
            return []
        named = [(found, path) for path in self.folder.iterdir() if (found := _NUMBER.match(path.name))]
        return [Job(path) for _, path in sorted((int(found[1]), path) for found, path in named)]

    def find(self, name: str) -> Job:
        """A job by its id, or by its number.

        Raises:
            ConfigError: there is none.
        """
        jobs = self.all()
        for job in jobs:
            if name.strip() in (job.id, job.id.partition("-")[0], job.id.partition("-")[0].lstrip("0")):
                return job
        ids = [job.id for job in reversed(jobs)]
        raise ConfigError(
            f"There is no job {name!r}{did_you_mean(name, ids) or '.'}",
            expected=f"one of {first_of(ids)}" if ids else "a job, and none was asked for yet",
            hint="call status without a job: it lists them.",
        )

    def add(self, request: Request, place: Place) -> Job:
        """Ask for a job. An unfinished one of the same request is given back instead: asking again does no harm.

        Raises:
            StorageError: the run store can't be written.
        """
        told = {"version": 1, "request": as_json(request), "place": place.as_json(), "asked": time.time()}
        key = value_hash(told["request"], told["place"])
        for job in self.unfinished():
            with contextlib.suppress(ConfigError):
                if job.told().get("key") == key and not job.is_asked_to_stop():
                    return job
        return self._added({**told, "key": key}, f"{request.kind}-{usable(request.name[:_LONGEST])}")

    def unfinished(self) -> list[Job]:
        jobs = [job for job in self.all() if job.id not in self._ended]
        ended = {job.id for job in jobs if job.state().phase in ENDED}
        self._ended |= ended
        return [job for job in jobs if job.id not in ended]

    def phase(self, job: Job) -> Phase:
        """What a job is doing: of one whose worker was killed, its own state doesn't know."""
        state = job.state()
        if state.phase in ENDED:
            return state.phase
        if state.phase == "queued":
            return "queued"
        return "running" if self.is_worked_on() else "interrupted"

    def is_worked_on(self) -> bool:
        """Whether there is a worker."""
        with if_free(self.lock) as free:
            return not free

    def before(self, job: Job) -> list[Job]:
        """The unfinished jobs that come first."""
        waiting = self.unfinished()
        ids = [one.id for one in waiting]
        return waiting[: ids.index(job.id)] if job.id in ids else []

    def forget_old(self) -> None:
        """Remove the folders of jobs that ended long ago, but not those with pictures of their own in them."""
        ended = [job for job in self.all() if job.state().phase in ENDED]
        for job in ended[:-KEPT]:
            files = [path for path in job.folder.iterdir() if path.is_file()]
            if len(files) == len(list(job.folder.iterdir())):
                with contextlib.suppress(OSError):
                    for path in files:
                        path.unlink()
                    job.folder.rmdir()

    def _added(self, told: Mapping[str, Any], name: str) -> Job:
        """A new folder, which is whole from the moment on that it has its name."""
        draft = self.folder / f".{secrets.token_hex(6)}"
        try:
            write_json(draft / "request.json", told)
            while True:
                numbers = [int(found[1]) for path in self.folder.iterdir() if (found := _NUMBER.match(path.name))]
                folder = self.folder / f"{max(numbers, default=0) + 1:04d}-{name}"
                if _renamed(draft, folder):
                    return Job(folder)
        except OSError as error:
            raise cannot_write(self.folder, error) from error


def _renamed(draft: Path, folder: Path) -> bool:
    """Whether the draft has its name now, rather than another job, which was faster."""
    try:
        os.rename(draft, folder)
    except OSError:
        if folder.exists():
            return False
        raise
    return True
