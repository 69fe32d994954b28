"""The headless host as agents may use it: what it reads lies below the folders that its user has allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.adapters.folders import with_folders
from ..engine.core.events import Event
from ..nodes.host.contract import ADAPTER_SUFFIX, OWN_ROOTS
from ..nodes.host.headless import HeadlessHost
from ..nodes.host.paths import files_below

if TYPE_CHECKING:
    from .places import Place


class AgentHost(HeadlessHost):
    """The host of an agent's jobs.

    Args:
        place: its folders.
        show: is told every event, and raises what ends a job.
    """

    confined = True

    def __init__(self, place: Place, show: Callable[[Event], None] = lambda _: None) -> None:
        super().__init__(Path(place.output), silent=True)
        self._folders = [Path(folder) for folder in place.adapters]
        self._allowed = [Path(root) for root in place.roots]
        self._bases = [Path(base) for base in place.bases]
        self._tell = show

    def reporter(self) -> Callable[[Event], None]:
        return self._tell

    def check_interruption(self) -> None:
        super().check_interruption()
        self._tell(Event())

    def adapter_files(self) -> list[str]:
        return with_folders(files_below([self.adapter_directory(), *self._folders], ADAPTER_SUFFIX), self._find_adapter)

    def adapter_roots(self) -> Sequence[Path]:
        return [self.adapter_directory(), *self._folders, *self._roots()]

    def base_roots(self) -> Sequence[Path]:
        return [*super().base_roots(), *dict.fromkeys(base.parent for base in self._bases)]

    def _roots(self) -> list[Path]:
        return [*self._allowed, *OWN_ROOTS]
