"""What is known of a hosted training on this machine, so that it is paid for once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..core.errors import StorageError
from ..core.storage import write_json

FILE = "hosted.json"
"""Name of the file, in the folder of its lineage in the run store."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training that was ordered, or is about to be. It holds no token."""

    provider: str
    trainer: str
    steps: int
    uploaded: Any = None
    """What the start request names the pictures by."""
    uploaded_at: float = 0.0
    """In seconds since the epoch, as all times."""
    mark: str = ""
    """What the start request is marked with; empty as long as none was about to be sent."""
    asked_at: float = 0.0
    """When it was about to be sent."""
    price: str = ""
    """As told before."""
    id: str = ""
    """The provider's number of it; empty if no answer has come."""
    ending: str = ""
    """``done``, ``failed`` or ``canceled``; empty while it runs."""
    why: str = ""
    """Why it failed."""
    canceling: bool = False
    """Whether its end was asked for."""
    earlier: tuple[str, ...] = ()
    """Numbers of earlier jobs of the same order, which gave nothing."""

    @property
    def in_doubt(self) -> bool:
        """Whether a start request was sent, or may have been, without an answer."""
        return bool(self.mark) and not self.id

    def again(self) -> Job:
        """The order as it was before a start was asked for."""
        gone = (*self.earlier, self.id) if self.id else self.earlier
        plain = Job(provider=self.provider, trainer=self.trainer, steps=self.steps, earlier=gone)
        return replace(plain, uploaded=self.uploaded, uploaded_at=self.uploaded_at)


def read_job(folder: Path) -> Job | None:
    """The job of a lineage; ``None`` if there is none.

    Raises:
        StorageError: the file is damaged. It isn't taken for none, since that could start a job twice.
    """
    path = folder / FILE
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        values: dict[str, Any] = {f.name: known[f.name] for f in fields(Job) if f.name in known}
        values["earlier"] = tuple(values.get("earlier", ()))
        return Job(**values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise StorageError(
            f"{path}, which says whether this training was ordered, can't be read: {type(error).__name__}.",
            expected="the file as it was written",
            hint="look on the provider's page whether a job runs there, then remove the file.",
        ) from error


def write_job(folder: Path, job: Job) -> Job:
    """Write it down, flushed to disk, and give it back.

    Raises:
        StorageError: the folder can't be written.
    """
    write_json(folder / FILE, asdict(job))
    return job
