"""The host inside ComfyUI: its folders, progress, interruption and memory."""
# pyright: reportMissingImports=false

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import comfy.model_management
import comfy.utils
import folder_paths
from comfy.cli_args import args
from comfy_api.v0_0_2 import ComfyExtension, io, ui
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context

from ...engine.adapters.folders import with_folders
from ...engine.core.events import Event, Message, SamplesGenerated
from .contract import ADAPTER_SUFFIX, OWN_ROOTS, Host
from .live import LiveReporter
from .progress import Meter, Reading

if TYPE_CHECKING:
    from comfy_execution.utils import ExecutionContext

    from ..routes.table import Route
    from .work import Ending

__all__ = ["ComfyExtension", "host", "io", "ui"]

_ROOT = Path(__file__).parents[2]
"""Of the extension. ComfyUI names its scripts by this folder, which may be a link, or as `pyproject.toml` does."""

PREVIEW_SIDE = 512
TEXT_EVERY = 0.5
"""Seconds between updates of the text below a node."""
TEXT_EVENT = "lora_workbench.text"
"""What ``js/lora_workbench.js`` listens to. ComfyUI's own progress texts go to all clients and don't name their run, so
that a front end shows them on whatever node has the same number in the workflow that it has open."""

TRAINING_EVENT = "lora_workbench.training"
"""What ``js/training/`` listens to: parts of what :class:`.live.LiveReporter` tells."""

ENDED_EVENT = "lora_workbench.ended"
"""What ``js/endings.js`` listens to: that work that takes long has ended."""


class ComfyUIHost(Host):
    """A ComfyUI process."""

    confined = True
    has_native = True

    def reporter(self) -> Callable[[Event], None]:
        return _NodeReporter()

    def tell_end(self, ending: Ending) -> None:
        told = {"id": uuid4().hex, **ending.facts()}
        _tell_clients(ENDED_EVENT, told, get_executing_context(), everyone=True)

    def is_interruption(self, error: BaseException) -> bool:
        return isinstance(error, comfy.model_management.InterruptProcessingException)

    def check_interruption(self) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Leave the inference mode that ComfyUI runs nodes in: tensors made in it can't have gradients."""
        import torch

        try:
            with torch.inference_mode(False), torch.enable_grad():
                yield
        finally:
            comfy.model_management.soft_empty_cache()

    def native(self) -> ModuleType:
        from .. import native

        return native

    def workflow_metadata(self, cls: type[Any]) -> dict[str, str]:
        return {} if args.disable_metadata else super().workflow_metadata(cls)

    def tidy_up(self) -> None:
        """In the background, so that ComfyUI's start doesn't wait for it."""
        Thread(target=super().tidy_up, name="lora-workbench-tidy-up", daemon=True).start()

    def add_routes(self, routes: Iterable[Route]) -> None:
        """To the server, which checks that requests come from its own pages. There is none where ComfyUI's nodes are
        only imported."""
        from server import PromptServer

        from ..routes import serving

        server = getattr(PromptServer, "instance", None)
        if server is not None:
            serving.add(routes, server.routes)
            serving.add_scripts(_ROOT / "js", {_ROOT.name, "lora-workbench"}, server.routes)

    def running_node(self) -> str | None:
        from server import PromptServer

        return PromptServer.instance.last_node_id

    def output_directory(self) -> Path:
        return Path(folder_paths.get_output_directory())

    def picture_folders(self) -> Mapping[str, Path]:
        return {
            "output": self.output_directory(),
            "temp": Path(folder_paths.get_temp_directory()),
            "input": Path(folder_paths.get_input_directory()),
        }

    def store_root(self) -> Path:
        return Path(folder_paths.get_user_directory()) / "lora_workbench"

    def adapter_files(self) -> list[str]:
        names = folder_paths.get_filename_list("loras")
        files = (name.replace("\\", "/") for name in names if name.endswith(ADAPTER_SUFFIX))
        return with_folders(files, self._find_adapter)

    def adapter_roots(self) -> Sequence[Path]:
        return [*_folders("loras"), self.adapter_directory()]

    def embedding_directory(self) -> Path:
        """The folder that prompts with ``embedding:name`` look in: ComfyUI has none for them below its output."""
        return _folders("embeddings")[0]

    def embedding_roots(self) -> Sequence[Path]:
        return _folders("embeddings")

    def embedding_files(self) -> list[str]:
        names = folder_paths.get_filename_list("embeddings")
        return sorted(name.replace("\\", "/") for name in names if name.endswith(ADAPTER_SUFFIX))

    def dataset_roots(self) -> Sequence[Path]:
        return [Path(folder_paths.get_input_directory()), *_folders("datasets"), *OWN_ROOTS]

    def wildcard_roots(self) -> Sequence[Path]:
        return [*super().wildcard_roots(), Path(folder_paths.models_dir) / "wildcards", *_folders("wildcards")]

    def base_roots(self) -> Sequence[Path]:
        saved = [self.diffusers_directory(), self.checkpoint_directory()]
        return [*_folders("diffusers"), *_folders("checkpoints"), *saved, *OWN_ROOTS]

    def denoiser_roots(self) -> Sequence[Path]:
        return _folders("diffusion_models")

    def captioner_roots(self) -> Sequence[Path]:
        """Our own folder comes before those of other caption extensions."""
        models = Path(folder_paths.models_dir)
        return [models / "captioners", *_folders("LLM"), models / "LLM"]


class _NodeReporter:
    """Shows a loop's events on the node that runs it."""

    def __init__(self) -> None:
        self._context = get_executing_context()
        self._bar = self._new_bar(1)
        self._counted = ""
        self._meter = Meter()
        self._last_text = float("-inf")
        self._live = LiveReporter(self._send_training)

    def __call__(self, event: Event) -> None:
        self._live(event)
        if isinstance(event, Message):
            self._send(event.text)
        elif isinstance(event, SamplesGenerated) and event.images:
            self._bar.update_absolute(self._bar.current, preview=("JPEG", _in_a_row(event.images), PREVIEW_SIDE))
        elif (reading := self._meter.read(event)) is not None:
            self._count(reading)
            if reading.done >= reading.total or time.monotonic() - self._last_text >= TEXT_EVERY:
                self._send(reading.text())

    def _count(self, reading: Reading) -> None:
        if reading.label != self._counted:  # a new bar, as an old one sends nothing below its last value
            self._bar = self._new_bar(reading.total)
            self._counted = reading.label
        self._bar.update_absolute(reading.done, reading.total)

    def _new_bar(self, total: int) -> comfy.utils.ProgressBar:
        return comfy.utils.ProgressBar(total, node_id=self._context.node_id if self._context else None)

    def _send(self, text: str) -> None:
        """Send a text to the client that queued the run."""
        _tell_clients(TEXT_EVENT, {"text": text}, self._context)
        self._last_text = time.monotonic()

    def _send_training(self, told: dict[str, Any]) -> None:
        """Tell all clients of a training: another one may show the same run."""
        _tell_clients(TRAINING_EVENT, told, self._context, everyone=True)


def _tell_clients(
    event: str, told: dict[str, Any], context: ExecutionContext | None, *, everyone: bool = False
) -> None:
    """Send something of a node that is executed, for the one that the canvas shows it as; to the client that queued the
    run, or to all."""
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is None or context is None or (server.client_id is None and not everyone):
        return
    node = get_progress_state().dynprompt.get_display_node_id(context.node_id)
    of = {"prompt_id": context.prompt_id, "node": node, "client": server.client_id}
    server.send_sync(event, {**of, **told}, None if everyone else server.client_id)


def _in_a_row(images: Sequence[Any]) -> Any:
    from PIL import Image

    height = max(image.height for image in images)
    row = Image.new("RGB", (sum(image.width for image in images), height))
    left = 0
    for image in images:
        row.paste(image, (left, 0))
        left += image.width
    return row


def _folders(kind: str) -> list[Path]:
    known = folder_paths.folder_names_and_paths.get(kind, ([], set()))[0]
    return [Path(folder) for folder in known]


_HOST = ComfyUIHost()


def host() -> Host:
    """The one host of a ComfyUI process."""
    return _HOST
