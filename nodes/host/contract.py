"""What nodes ask of the place that they run in."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from ...engine.core.errors import AdapterError, BaseModelError, CaptionerError, DatasetError
from ...engine.core.events import Event
from ...engine.core.ownership import sweep
from ...engine.core.paths import portable
from ...engine.core.resources import ASSETS, PROJECT_ROOT
from .paths import locate

T = TypeVar("T")

OWN_ROOTS = (PROJECT_ROOT, ASSETS)
"""Where the demo base model and data sets are found, with and without ``assets/`` before their names."""

ADAPTER_SUFFIX = ".safetensors"


class Host(ABC):
    """Progress, interruption and folders of the place that runs us."""

    confined: bool = False
    """Whether graphs may only name files below the roots, as they must where they can come over the network."""

    has_native: bool = False
    """Whether ComfyUI is running, so that :meth:`native` gives something."""

    def drive(self, events: Generator[Event, None, T]) -> T:
        """Run a loop of the engine to its end and give its result.

        Each event is shown for the current node. When the user interrupts, the generator is closed, so that it
        can save what it has, and the host's own exception goes up.
        """
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
        """A function that shows the events of one loop."""

    @abstractmethod
    def check_interruption(self) -> None:
        """Raise the host's interrupt exception if the user asked to stop."""

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        """What must hold while a loop runs."""
        return contextlib.nullcontext()

    def tidy_up(self) -> None:
        """Remove what killed processes left half written, where this host keeps its files."""
        sweep([self.store_root(), self.adapter_directory(), self.output_directory() / "datasets"])

    @abstractmethod
    def output_directory(self) -> Path:
        """Where pictures and other results go."""

    @abstractmethod
    def store_root(self) -> Path:
        """Where runs, caches and training states are kept."""

    def adapter_directory(self) -> Path:
        """Where adapter files are saved."""
        return self.output_directory() / "loras"

    @abstractmethod
    def adapter_files(self) -> list[str]:
        """Names of the adapter files that can be chosen, sorted, with forward slashes."""

    @abstractmethod
    def adapter_roots(self) -> Sequence[Path]:
        """Folders that adapters are looked for in, in order."""

    @abstractmethod
    def dataset_roots(self) -> Sequence[Path]:
        """Folders that data sets are looked for in, in order."""

    @abstractmethod
    def base_roots(self) -> Sequence[Path]:
        """Folders that base models are looked for in, in order."""

    def adapter_path(self, name: str) -> Path:
        """The file of an adapter.

        Raises:
            AdapterError: it isn't there, or the name leads out of the folders.
        """
        hint = "train and save it first, with the same output folder, or copy the file there; check the name."
        return locate(name, self.adapter_roots(), what="adapter", error=AdapterError, confined=self.confined, hint=hint)

    def adapter_name(self, path: Path) -> str | None:
        """The name, with forward slashes, by which loaders find an adapter's file.

        ``None`` if there is none: the file lies elsewhere, or in the run store, or one of the same name hides it.
        """
        if path.is_relative_to(self.store_root()):
            return None
        for root in (root.absolute() for root in self.adapter_roots()):
            if path.is_relative_to(root):
                name = path.relative_to(root).as_posix()
                with contextlib.suppress(AdapterError):
                    if self.adapter_path(name).samefile(path):
                        return name
        return None

    def dataset_path(self, text: str) -> Path:
        """The folder or archive of a data set, from a path below :meth:`dataset_roots` or an absolute one.

        Raises:
            DatasetError: it isn't there, or the path leads out of the folders.
        """
        return locate(text, self.dataset_roots(), what="data set", error=DatasetError, confined=self.confined)

    def base_path(self, text: str) -> Path:
        """The folder or checkpoint of a base model, from a path below :meth:`base_roots` or an absolute one.

        The demo base that comes with the project is found by its bare name too.

        Raises:
            BaseModelError: it isn't there, or the path leads out of the folders.
        """
        roots = [*self.base_roots(), ASSETS]
        return locate(text, roots, what="base model", error=BaseModelError, confined=self.confined)

    def native(self) -> ModuleType:
        """The package ``nodes.native``, which works on the models that ComfyUI has loaded.

        Raises:
            BaseModelError: ComfyUI isn't running.
        """
        raise BaseModelError(
            "ComfyUI's own models exist only inside ComfyUI.",
            expected="a graph that loads its base model with LW_LoadBase, when it runs without ComfyUI",
            hint="run this workflow in ComfyUI (for example by `comfy run --workflow FILE --wait`), or put LW_LoadBase "
            "in the place of the nodes for MODEL, CLIP and VAE.",
        )

    @abstractmethod
    def captioner_roots(self) -> Sequence[Path]:
        """Folders that captioning models are looked for in, in order."""

    def captioner_path(self, text: str) -> Path:
        """The folder of a captioning model, from a path below :meth:`captioner_roots` or an absolute one.

        Raises:
            CaptionerError: it isn't there, or the path leads out of the folders.
        """
        hint = "download a model with all of its files into a folder there; check the name."
        return locate(
            text, self.captioner_roots(), what="captioner", error=CaptionerError, confined=self.confined, hint=hint
        )

    def workflow_metadata(self, cls: type[Any]) -> dict[str, str]:
        """The graph that is running, as the ``prompt`` and ``workflow`` texts that ComfyUI writes into PNGs.

        No absolute path is in them: a value that is one becomes relative to the first of :meth:`dataset_roots`,
        :meth:`base_roots`, :meth:`captioner_roots` and :meth:`output_directory` that holds it, so that the graph still
        works here, and otherwise keeps its last part only.

        Args:
            cls: the node class inside ``execute``, whose schema asks for ``prompt`` and ``extra_pnginfo``.
        """
        if cls.hidden is None:
            return {}
        extra = cls.hidden.extra_pnginfo or {}
        graphs = {"prompt": cls.hidden.prompt, "workflow": extra.get("workflow")}
        roots = [*self.dataset_roots(), *self.base_roots(), *self.captioner_roots(), self.output_directory()]
        return {name: json.dumps(portable(graph, roots)) for name, graph in graphs.items() if graph}
