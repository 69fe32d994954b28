"""The headless host with further folders of adapters, such as ComfyUI's ``models/loras``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..engine.adapters.folders import with_folders
from ..engine.core.events import Event
from ..nodes.host.contract import ADAPTER_SUFFIX
from ..nodes.host.headless import HeadlessHost
from ..nodes.host.paths import files_below


class AgentHost(HeadlessHost):
    """The host of an agent's jobs.

    Args:
        output: folder for all results.
        folders: of adapters, beside the one that results are saved to.
        show: is told every event, and raises what ends a job.
    """

    def __init__(
        self, output: Path, folders: Sequence[Path] = (), show: Callable[[Event], None] = lambda _: None
    ) -> None:
        super().__init__(output, silent=True)
        self._folders = [folder.absolute() for folder in folders]
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
