"""The host without ComfyUI: folders, progress and interruption in a shell, a job scheduler or a test."""

from __future__ import annotations

import contextlib
import io
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...engine.adapters.folders import with_folders
from ...engine.core.events import Event
from ...engine.core.ownership import sweep
from ...headless import running
from .contract import ADAPTER_SUFFIX, OWN_ROOTS, Host
from .paths import files_below
from .progress import TerminalProgress

if TYPE_CHECKING:
    from ..routes.table import Route
    from .work import Ending


class Interrupted(BaseException):
    """The user asked to stop. Not an ``Exception``, so that no loop mistakes it for a failure."""


class HeadlessHost(Host):
    """The host of one run.

    Args:
        output: folder for all results; created when something is written.
        workflow_folder: the workflow file's folder, from which relative paths start.
        progress: where progress is shown; by default on standard error.
        silent: whether nothing is shown, as another process shows it.
    """

    def __init__(
        self,
        output: Path = Path("output"),
        *,
        workflow_folder: Path | None = None,
        progress: TerminalProgress | None = None,
        silent: bool = False,
    ) -> None:
        self._output = output.absolute()
        self._workflow_folder = workflow_folder and workflow_folder.absolute()
        self._interrupted = False
        self._silent = silent
        self.progress = progress or TerminalProgress(io.StringIO() if silent else None)

    def reporter(self) -> Callable[[Event], None]:
        return self.progress.show

    def check_interruption(self) -> None:
        if self._interrupted:
            raise Interrupted

    def is_interruption(self, error: BaseException) -> bool:
        return isinstance(error, Interrupted)

    def tell_end(self, ending: Ending) -> None:
        """Who waits for a shell sees it."""

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Inside the block, Ctrl-C stops at the next event, and a second Ctrl-C at once. A SIGTERM, which schedulers
        and launchers send before they kill, is as a first Ctrl-C."""
        previous = {number: signal.signal(number, self._on_interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _on_interrupt(self, number: int, _: object) -> None:
        if self._interrupted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._interrupted = True
        if not self._silent:
            os.write(2, b"\nStopping after this step; press Ctrl-C again to stop at once.\n")  # print isn't reentrant

    def tidy_up(self) -> None:
        """Everything lies below the output folder, pictures in any folder of it."""
        sweep([self._output], self.swept())

    def add_routes(self, routes: Iterable[Route]) -> None:
        """There is no front end."""

    def running_node(self) -> str | None:
        return None

    def output_directory(self) -> Path:
        return self._output

    def temp_directory(self) -> Path:
        """Where previews are saved."""
        return self._output / "temp"

    def picture_folders(self) -> Mapping[str, Path]:
        return {"output": self.output_directory(), "temp": self.temp_directory()}

    def store_root(self) -> Path:
        return self._output / "run-store"

    def adapter_files(self) -> list[str]:
        return with_folders(files_below([self.adapter_directory()], ADAPTER_SUFFIX), self._find_adapter)

    def adapter_roots(self) -> Sequence[Path]:
        return [self.adapter_directory(), *self._roots()]

    def embedding_roots(self) -> Sequence[Path]:
        return [self.embedding_directory(), *self._roots()]

    def dataset_roots(self) -> Sequence[Path]:
        return self._roots()

    def base_roots(self) -> Sequence[Path]:
        return [self.diffusers_directory(), self.checkpoint_directory(), *self._roots()]

    def captioner_roots(self) -> Sequence[Path]:
        return self._roots()

    def _roots(self) -> list[Path]:
        """The workflow's folder, the working directory, and the project's, so that ``demo_base`` works anywhere."""
        return [*([self._workflow_folder] if self._workflow_folder else []), Path.cwd(), *OWN_ROOTS]


def host() -> Host:
    """The host of the running workflow; outside any, one that saves to ``output``."""
    found = running.current(HeadlessHost)
    assert isinstance(found, Host)
    return found
