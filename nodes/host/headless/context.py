"""Folders, progress and interruption where there is no ComfyUI."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ....engine.events import Event
from ..contract import ADAPTER_SUFFIX, OWN_ROOTS, Host
from ..paths import files_below
from ..progress import TerminalProgress


class Interrupted(BaseException):
    """The user asked to stop. Not an ``Exception``, so that no loop takes it for a failure of its own."""


class HeadlessHost(Host):
    """Runs in a shell, a scheduler or a test."""

    def __init__(self) -> None:
        self._output = Path("output")
        self._workflow_folder: Path | None = None
        self._interrupted = False
        self.progress = TerminalProgress()

    def configure(
        self, *, output: Path, workflow_folder: Path | None = None, progress: TerminalProgress | None = None
    ) -> None:
        """Set where results go and where relative paths start.

        Args:
            output: folder of all results; made when something is written.
            workflow_folder: folder of the workflow file.
            progress: where progress is shown; standard error unless given.
        """
        self._output = output.absolute()
        self._workflow_folder = workflow_folder and workflow_folder.absolute()
        self._interrupted = False
        self.progress = progress or TerminalProgress()

    def reporter(self) -> Callable[[Event], None]:
        return self.progress.show

    def check_interruption(self) -> None:
        if self._interrupted:
            raise Interrupted

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Inside the block Ctrl-C stops at the next event, and a second Ctrl-C at once."""
        previous = signal.signal(signal.SIGINT, self._on_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def _on_interrupt(self, *_: object) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        os.write(2, b"\nStopping after this step; press Ctrl-C again to stop at once.\n")  # print isn't reentrant

    def output_directory(self) -> Path:
        return self._output

    def temp_directory(self) -> Path:
        """Where previews go."""
        return self._output / "temp"

    def vault_root(self) -> Path:
        return self._output / "vault"

    def adapter_files(self) -> list[str]:
        return files_below([self.adapter_directory()], ADAPTER_SUFFIX)

    def adapter_roots(self) -> Sequence[Path]:
        return [self.adapter_directory(), *self._roots()]

    def dataset_roots(self) -> Sequence[Path]:
        return self._roots()

    def base_roots(self) -> Sequence[Path]:
        return self._roots()

    def captioner_roots(self) -> Sequence[Path]:
        return self._roots()

    def _roots(self) -> list[Path]:
        """The workflow's folder, the current folder, and the project's, so that ``demo_base`` works anywhere."""
        return [*([self._workflow_folder] if self._workflow_folder else []), Path.cwd(), *OWN_ROOTS]


host = HeadlessHost()
"""The one host of this process."""
