"""Where an agent's jobs are done, as plain values: a server and its worker make the same of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Place:
    """Folders, base models and device of an embedded backbone, or a running ComfyUI."""

    output: str
    """Full path of the folder for all results."""
    server: str = ""
    """Address of a running ComfyUI, which has adapters and models of its own; empty: this program draws and trains."""
    bases: tuple[str, ...] = ()
    """Full paths of base models; the first is the usual one. Of a server, names as its loader lists checkpoints;
    none: all of them, and the demo base."""
    roots: tuple[str, ...] = ()
    """Full paths of the folders that may be read, with training pictures below them."""
    adapters: tuple[str, ...] = ()
    """Full paths of further folders of adapters."""
    presets: str = ""
    """Folder of saved stacks; empty: ``stack_presets`` in the output folder."""
    device: str = "auto"
    precision: str = "auto"

    @property
    def jobs(self) -> Path:
        """The folder of jobs."""
        from ..engine.runs.store import RunStore

        return RunStore(Path(self.output) / "run-store").jobs

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Place:
        """The place of :meth:`as_json`.

        Raises:
            ValueError: it is none.
        """
        try:
            given: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
            }  # fmt: skip
            return Place(**given)
        except TypeError as error:
            raise ValueError(f"no place: {error}") from error
