"""What nodes need from the place that they run in."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from ...engine.core.errors import AdapterError, BaseModelError, CaptionerError, DatasetError
from ...engine.core.events import Event
from ...engine.core.ownership import sweep
from ...engine.core.paths import portable
from ...engine.core.resources import ASSETS, PROJECT_ROOT
from .paths import files_below, locate

if TYPE_CHECKING:
    from ...engine.runs.store import RunStore
    from ...engine.vault.library import Library
    from ..routes.table import Route
    from .work import Ending, Work

T = TypeVar("T")

OWN_ROOTS = (PROJECT_ROOT, ASSETS)
"""Where the demo base model and data sets are, whether or not their names start with ``assets/``."""

ADAPTER_SUFFIX = ".safetensors"
_NO_ADAPTER = "check the name; train and save it first with the same output folder, or copy the file there."


class Host(ABC):
    """Progress, interruption and folders of the place that we run in."""

    confined: bool = False
    """Whether graphs may only name files below the roots, as is due where they can come over the network."""

    has_native: bool = False
    """Whether this is ComfyUI, so that :meth:`native` works."""

    def drive(self, events: Generator[Event, None, T], work: Work[T] | None = None) -> T:
        """Run one of the engine's loops to its end; returns its result.

        Each event is shown on the current node, and the end of ``work`` that takes long is told. When the user
        interrupts, the generator is closed, so that it can save its state, and the host's own exception is raised.
        """
        if work is None:
            return self._drive(events)
        try:
            result = self._drive(events)
        except Exception as error:
            if not self.is_interruption(error):
                self.tell_end(work.failure(error))
            raise
        if ending := work.ending(result):
            self.tell_end(ending)
        return result

    def _drive(self, events: Generator[Event, None, T]) -> T:
        report = self.reporter()
        with self.computing(), contextlib.closing(events):
            while True:
                try:
                    event = next(events)
                except StopIteration as finished:
                    return finished.value
                report(event)
                self.check_interruption()

    @abstractmethod
    def reporter(self) -> Callable[[Event], None]:
        """A function that shows one loop's events."""

    @abstractmethod
    def check_interruption(self) -> None:
        """Raise the host's own exception if the user asked to stop."""

    @abstractmethod
    def is_interruption(self, error: BaseException) -> bool:
        """Whether it is the host's own exception, with which the user stops."""

    @abstractmethod
    def tell_end(self, ending: Ending) -> None:
        """Tell people wherever they look."""

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        """A context for running a loop in."""
        return contextlib.nullcontext()

    def tidy_up(self) -> None:
        """Remove what killed processes left half written in this host's folders."""
        folders = [
            self.adapter_directory(), self.checkpoint_directory(), self.diffusers_directory(),
            self.embedding_directory(), self.report_directory(),
        ]  # fmt: skip
        sweep([self.store_root(), *folders, self.output_directory() / "datasets"], self.swept())

    def swept(self) -> Path:
        """The file that tells when all of this host's folders were searched last."""
        return self.store_root() / ".swept"

    @abstractmethod
    def add_routes(self, routes: Iterable[Route]) -> None:
        """Let a front end ask for what ``nodes/routes`` answers."""

    @abstractmethod
    def running_node(self) -> str | None:
        """Id of the node that is executed now."""

    @abstractmethod
    def output_directory(self) -> Path:
        """Where pictures and other results are saved."""

    @abstractmethod
    def store_root(self) -> Path:
        """The run store's folder, for runs, training states and caches."""

    def run_store(self) -> RunStore:
        """Runs, training states and caches."""
        from ...engine.runs.store import RunStore

        return RunStore(self.store_root())

    def vault_file(self) -> Path:
        """The index of all adapters, which is made from their files."""
        return self.run_store().vault

    @cached_property
    def library(self) -> Library:
        """The adapters as pages look at them."""
        from ...engine.vault.library import Library

        return Library(self.vault_file(), self.adapters, self.adapter_roots())

    def adapter_directory(self) -> Path:
        """Where adapter files are saved."""
        return self.output_directory() / "loras"

    def checkpoint_directory(self) -> Path:
        """Where base models are saved as checkpoints; ComfyUI looks for them there too."""
        return self.output_directory() / "checkpoints"

    def diffusers_directory(self) -> Path:
        """Where base models are saved as diffusers folders."""
        return self.output_directory() / "diffusers"

    def embedding_directory(self) -> Path:
        """Where embeddings are saved."""
        return self.output_directory() / "embeddings"

    def report_directory(self) -> Path:
        """Where reports of runs are saved."""
        return self.output_directory() / "reports"

    @abstractmethod
    def picture_folders(self) -> Mapping[str, Path]:
        """Folders whose pictures pages show, by what ComfyUI calls them: ``output``, ``temp`` and ``input``."""

    def picture_path(self, kind: str, below: str) -> Path | None:
        """A picture of a page, by one of :meth:`picture_folders` and its path below that; ``None`` if it has none such.

        Links out of the folder count as none.
        """
        top = self.picture_folders().get(kind)
        if top is None or not below or "\0" in below:
            return None
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # a name that is too long, a loop of links
            path = (top / below.replace("\\", "/")).resolve()
            if path.is_relative_to(top.resolve()) and path.is_file():
                return path
        return None

    @abstractmethod
    def embedding_roots(self) -> Sequence[Path]:
        """Folders searched for embeddings, in order."""

    @abstractmethod
    def adapter_files(self) -> list[str]:
        """Names of the adapter files to choose from, sorted, with forward slashes."""

    @abstractmethod
    def adapter_roots(self) -> Sequence[Path]:
        """Folders searched for adapters, in order."""

    @abstractmethod
    def dataset_roots(self) -> Sequence[Path]:
        """Folders searched for data sets, in order."""

    def caption_roots(self) -> list[Path]:
        """Folders whose caption files people may have rewritten: those of their data sets, not our own."""
        return [root for root in self.dataset_roots() if root not in OWN_ROOTS]

    def replaced_captions(self) -> Path:
        """Where copies of rewritten caption files are kept."""
        return self.output_directory() / "replaced_captions"

    def wildcard_roots(self) -> Sequence[Path]:
        """Folders with wildcard files for prompts, in order; they needn't exist."""
        return [root / "wildcards" for root in self.dataset_roots()]

    @abstractmethod
    def base_roots(self) -> Sequence[Path]:
        """Folders searched for base models, in order."""

    def adapter_path(self, name: str) -> Path:
        """An adapter's file.

        Args:
            name: with forward or backward slashes.

        Raises:
            AdapterError: there is none of that name, or the name leads out of the folders; near names are told, and
                those of files that hold what a file of this name held.
        """

        def found_instead() -> str:
            from ...engine.vault.missing import suggestion

            return suggestion(name, self.adapter_files(), self._find_adapter, self.vault_file()) or _NO_ADAPTER

        return self._find_adapter(name, found_instead)

    def _find_adapter(self, name: str, hint: str | Callable[[], str] = "") -> Path:
        """As :meth:`adapter_path`, without a look at other names."""
        roots, hint = self.adapter_roots(), hint or _NO_ADAPTER
        return locate(name, roots, what="adapter", error=AdapterError, confined=self.confined, hint=hint)

    def adapters(self) -> list[tuple[str, Path]]:
        """(name, path) of each of :meth:`adapter_files`, but for those that are gone since they were listed."""
        found = []
        for name in self.adapter_files():
            with contextlib.suppress(AdapterError):
                found.append((name, self._find_adapter(name)))
        return found

    def embedding_files(self) -> list[str]:
        """Names of the embeddings to choose from, sorted, with forward slashes."""
        return files_below(self.embedding_roots()[:1], ADAPTER_SUFFIX)

    def embedding_path(self, name: str) -> Path:
        """An embedding's file.

        Raises:
            AdapterError: there is none of that name, or the name leads out of the folders.
        """
        hint = "check the name; train and save it first with the same output folder, or copy the file there."
        roots = self.embedding_roots()
        return locate(name, roots, what="embedding", error=AdapterError, confined=self.confined, hint=hint)

    def adapter_name(self, path: Path) -> str | None:
        """The name, with forward slashes, by which loaders find an adapter's file.

        ``None`` if they can't: the file is elsewhere, in the run store, or hidden by another one of the same name.
        """
        if path.is_relative_to(self.store_root()):
            return None
        for root in (root.absolute() for root in self.adapter_roots()):
            if path.is_relative_to(root):
                name = path.relative_to(root).as_posix()
                with contextlib.suppress(AdapterError):
                    if self._find_adapter(name).samefile(path):
                        return name
        return None

    def dataset_path(self, text: str) -> Path:
        """A data set's folder or archive, by a path below :meth:`dataset_roots` or an absolute one.

        Raises:
            DatasetError: there is none, or the path leads out of the folders.
        """
        return locate(text, self.dataset_roots(), what="data set", error=DatasetError, confined=self.confined)

    def base_path(self, text: str) -> Path:
        """A base model's folder or checkpoint, by a path below :meth:`base_roots` or an absolute one.

        The demo base can be named without its folder.

        Raises:
            BaseModelError: there is none, or the path leads out of the folders.
        """
        roots = [*self.base_roots(), ASSETS]
        return locate(text, roots, what="base model", error=BaseModelError, confined=self.confined)

    def denoiser_roots(self) -> Sequence[Path]:
        """Folders in which stock loaders find denoisers alone, without text encoders; none outside ComfyUI."""
        return ()

    def model_path(self, text: str) -> Path:
        """A base model, or the file of a denoiser alone, as stock loaders name it.

        Raises:
            BaseModelError: there is none, or the path leads out of the folders.
        """
        roots = [*self.base_roots(), ASSETS, *self.denoiser_roots()]
        return locate(text, roots, what="model", error=BaseModelError, confined=self.confined)

    def native(self) -> ModuleType:
        """The package ``nodes.native``, which works on models that ComfyUI has loaded.

        Raises:
            BaseModelError: ComfyUI isn't running.
        """
        raise BaseModelError(
            "MODEL, CLIP and VAE exist only inside ComfyUI.",
            expected="a graph that loads its base model with LW_LoadBase, to run without ComfyUI",
            hint="run this workflow in ComfyUI, for example by `comfy run --workflow FILE --wait`, or use LW_LoadBase "
            "instead.",
        )

    @abstractmethod
    def captioner_roots(self) -> Sequence[Path]:
        """Folders searched for captioning models, in order."""

    def captioner_path(self, text: str) -> Path:
        """A captioning model's folder, by a path below :meth:`captioner_roots` or an absolute one.

        Raises:
            CaptionerError: there is none, or the path leads out of the folders.
        """
        hint = "check the name; download a model with all its files into a folder there."
        return locate(
            text, self.captioner_roots(), what="captioner", error=CaptionerError, confined=self.confined, hint=hint
        )

    def workflow_metadata(self, cls: type[Any]) -> dict[str, str]:
        """The running graph, as the ``prompt`` and ``workflow`` texts that ComfyUI writes into PNGs.

        They hold no absolute path: one below any of :meth:`dataset_roots`, :meth:`base_roots`, :meth:`captioner_roots`
        and :meth:`output_directory` becomes relative to it, so that the graph still works here; of any other only the
        last part is kept.

        Args:
            cls: the node class inside ``execute``; its schema must list ``prompt`` and ``extra_pnginfo``.
        """
        if cls.hidden is None:
            return {}
        extra = cls.hidden.extra_pnginfo or {}
        graphs = {"prompt": cls.hidden.prompt, "workflow": extra.get("workflow")}
        roots = [*self.dataset_roots(), *self.base_roots(), *self.captioner_roots(), self.output_directory()]
        return {name: json.dumps(portable(graph, roots)) for name, graph in graphs.items() if graph}
