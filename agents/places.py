"""Where an agent's jobs are done, as plain values: a server and its worker make the same of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..headless.workflow import Registry
    from .backend import Backend, Catalog


@dataclass(frozen=True, kw_only=True)
class Place:
    """Folders, base models and device of an embedded backbone, or a running ComfyUI."""

    output: str
    """Full path of the folder for all results."""
    server: str = ""
    """Address of a running ComfyUI, which has adapters and models of its own; empty: this program draws and trains."""
    bases: tuple[str, ...] = ("demo_base",)
    """Base models, as :meth:`.Host.base_path` finds them; the first is the usual one. Of a server, names in its list of
    checkpoints; none: all of them, and the demo base."""
    adapters: tuple[str, ...] = ()
    """Further folders of adapters."""
    presets: str = ""
    """Folder of saved stacks; empty: ``stack_presets`` in the output folder."""
    device: str = "auto"
    precision: str = "auto"

    def catalog(self) -> Catalog:
        """What there is.

        Raises:
            BaseModelError: a base model is missing or of no known family.
        """
        if self.server:
            from .comfy.catalog import ComfyCatalog

            return ComfyCatalog(self.server, self.bases)
        from .catalog import EmbeddedCatalog

        return EmbeddedCatalog(self)

    def backend(self) -> Backend:
        """Where jobs are done."""
        if self.server:
            from .comfy.backend import ComfyBackend

            return ComfyBackend(self.server, self.bases)
        from .embedded import EmbeddedBackend

        return EmbeddedBackend(self)

    def nodes(self) -> Registry:
        """The nodes that workflows may have there.

        Raises:
            ConfigError: the address of a server can't be used.
        """
        if self.server:
            from .comfy.server import Server
            from .comfy.stock import ServersNodes

            return ServersNodes(Server(self.server))
        from ..nodes import registry

        return registry()

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
            return Place(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
        except TypeError as error:
            raise ValueError(f"no place: {error}") from error
