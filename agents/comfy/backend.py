"""Jobs in a running ComfyUI: the graphs that a person would wire, queued by its API."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from ...engine.core.errors import ConfigError, WorkbenchError, in_a_line
from ...engine.core.events import Event
from ...engine.core.file_names import usable
from ..backend import DrawRequest, Picture, Result, TrainRequest, Watch, WorkflowRequest
from ..embedded import measures
from .bases import Base, Bases
from .following import Patience, StoppedEarlyError, run_graph
from .graphs import (
    ADAPTER,
    DRAWN,
    PICKED,
    PROMPT,
    RECIPE,
    SAVED,
    STACK,
    TRAINING,
    drawing,
    suggesting,
    training,
)
from .sending import send
from .server import File, Graph, NotThereError, Server, ServerError
from .workflows import read_for

T = TypeVar("T")
Outputs = Mapping[str, Mapping[str, Any]]
FOLDER = "agents"
"""Of the pictures that agents have drawn, below ComfyUI's output folder."""
_LORAS = "loras/"
"""The folder of adapters below the output folder, from which their names start."""


class ComfyBackend:
    """The :class:`~..backend.Backend` of a running ComfyUI, which may be on another machine: training pictures are sent
    there, and what it draws is fetched into the folder of the job.

    Args:
        server: such as ``http://127.0.0.1:8188``, or one that is shared.
        bases: as for :class:`.Bases`.
        patience: how long to wait for it.

    Raises:
        ConfigError: it isn't an address, or a package that talks to it is missing.
    """

    def __init__(self, server: str | Server, bases: Sequence[str] = (), patience: Patience | None = None) -> None:
        self._server = Server(server) if isinstance(server, str) else server
        self._bases = Bases(self._server, bases)
        self._patience = patience

    def draw(self, request: DrawRequest, watch: Watch) -> Result:
        base = self._bases.find(request.base)
        folder = f"{FOLDER}/{usable(PurePosixPath(request.name).name.removesuffix('.safetensors'))}"
        outputs = self._run(drawing(_in_a_line(request), base, folder), watch)
        prompt = (_report(outputs, PROMPT).get("prompts") or [request.scene])[0]
        pictures = [
            Picture(path=str(path), prompt=prompt, seed=request.seed + number)
            for number, path in enumerate(self._fetched(_pictures(outputs, [SAVED]), watch))
        ]
        return Result(
            pictures=pictures,
            report={"base": base.name, "stack": _report(outputs, STACK).get("stack", []), "folder": folder},
            notes=[*dict.fromkeys(note for node in (STACK, PROMPT, DRAWN) for note in _notes(outputs, node))],
        )

    def train(self, request: TrainRequest, watch: Watch) -> Result:
        base = self._bases.find(request.base)
        sent = _shown(send(Path(request.folder), self._server), watch)
        settings = dict(request.settings)
        try:
            steps = settings.get("steps") or self._steps(suggesting(request, base, sent.path, settings), watch)
            settings |= measures(int(steps), len(sent.dataset), request.settings)
            graph = training(request, base, sent.path, settings)
            outputs = self._run(graph, watch, stops=TRAINING)
        except StoppedEarlyError:
            return Result(stopped=True, notes=["It was stopped before it had begun, so there is no adapter."])
        unused = [f"Not used: {one.name}: {one.reason}." for one in sent.dataset.skipped]
        return self._kept(request, base, outputs, watch, unused)

    def run(self, request: WorkflowRequest, watch: Watch) -> Result:
        made = read_for(self._server, Path(request.path), request.values)
        outputs = self._run(made.graph, watch, more=made.more)
        saved = [entry["path"] for shown in outputs.values() for entry in shown.get("lw_files", [])]
        return Result(
            pictures=[Picture(path=str(path)) for path in self._fetched(_pictures(outputs, made.graph), watch)],
            adapters=[name.removeprefix(_LORAS) for name in dict.fromkeys(saved)],
            report={"nodes": {node: found for node in made.graph if (found := _report(outputs, node))}},
            notes=[f"{note}." for note in made.notes],
        )

    def _run(self, graph: Graph, watch: Watch, *, more: Mapping[str, Any] | None = None, stops: str = "") -> Outputs:
        return run_graph(self._server, graph, watch, more=more, stops=stops, patience=self._patience)

    def _steps(self, graph: Graph, watch: Watch) -> int:
        """What the recipe suggests."""
        return int(_report(self._run(graph, watch), RECIPE)["settings"]["steps"])

    def _kept(self, request: TrainRequest, base: Base, outputs: Outputs, watch: Watch, unused: Sequence[str]) -> Result:
        """Pin the adapter that was saved, and give it a preview."""
        report, saved = dict(_report(outputs, TRAINING)), _report(outputs, ADAPTER)
        picked, name = _report(outputs, PICKED), str(saved["adapter"] or "")
        notes = [*report.pop("notes", []), *unused]
        pictures: list[Picture] = []
        report |= {"adapter": name, "file": saved["path"], "step": picked.get("step")}
        if not name:
            notes.append(
                f"ComfyUI finds another file by the name of {saved['path']}, in a folder that it searches first: it "
                "can't be drawn with before one of them is renamed."
            )
            return Result(report=report, notes=notes, stopped=bool(report.get("stopped")))
        try:
            self._server.post("/lora_workbench/vault/pin", {"name": name, "pinned": True})
            pictures = self._preview(request, name, base, watch)
        except WorkbenchError as error:
            notes.append(f"It isn't pinned, or has no preview: {in_a_line(error)}")
        return Result(
            adapters=[name], report=report, notes=notes, pictures=pictures, stopped=bool(report.get("stopped"))
        )

    def _preview(self, request: TrainRequest, name: str, base: Base, watch: Watch) -> list[Picture]:
        """Draw a picture beside an adapter that has none."""
        card = self._server.get("/lora_workbench/vault/card", name=name)
        if card["preview"]:
            return []
        scene = "" if card["triggers"] else request.class_word or request.name
        draw = DrawRequest(name=request.name, rows=f"on | {name}", base=base.name, scene=scene)
        outputs = self._run(drawing(draw, base, f"{FOLDER}/previews"), watch)
        files = _pictures(outputs, [SAVED])[:1]
        for file in files:
            told = {"type": file.kind, "subfolder": file.folder, "filename": file.name}
            self._server.post("/lora_workbench/vault/preview", {"name": name, "picture": told})
        return [Picture(path=str(path)) for path in self._fetched(files, watch)]

    def _fetched(self, files: Sequence[File], watch: Watch) -> list[Path]:
        """Pictures of ComfyUI's, in the folder of the job.

        Raises:
            ServerError: one isn't there.
        """
        paths = []
        for number, file in enumerate(files, 1):
            path = watch.folder / "pictures" / f"{number:03d}_{usable(Path(file.name).stem)}{_suffix(file.name)}"
            try:
                self._server.fetch(file, path)
            except NotThereError as error:
                raise ServerError(
                    f"ComfyUI hasn't {file.folder}/{file.name} any more: it was drawn before, and removed since.",
                    expected="the pictures that ComfyUI remembers to have saved",
                    hint="use another seed, or let the user restart ComfyUI.",
                ) from error
            paths.append(path)
            watch.show(Event())
        return paths


def _in_a_line(request: DrawRequest) -> DrawRequest:
    """The request with a scene that *Prompt* takes as one prompt.

    Raises:
        ConfigError: the scene names adapters by tags.
    """
    from ...engine.adapters.lora_tags import read_tags

    scene = " ".join(request.scene.split())
    read = read_tags(scene)
    if read.rows or read.problems:
        raise ConfigError(
            "The scene names adapters, as in <lora:fox:0.8>.",
            expected="what the picture shows, in words",
            hint="leave the tag out; for several adapters, use a saved stack.",
        )
    return replace(request, scene=scene)


def _pictures(outputs: Outputs, nodes: Iterable[str]) -> list[File]:
    """What nodes have saved, in their order; previews are left out."""
    found = [entry for node in nodes for entry in outputs.get(node, {}).get("images", [])]
    files = [File(str(e["filename"]), str(e.get("subfolder", "")), str(e.get("type", "output"))) for e in found]
    return [file for file in files if file.kind == "output"]


def _report(outputs: Outputs, node: str) -> Mapping[str, Any]:
    told = outputs.get(node, {}).get("lw_report") or [{}]
    return told[0]


def _notes(outputs: Outputs, node: str) -> Sequence[str]:
    return _report(outputs, node).get("notes", [])


def _suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return suffix if suffix in (".png", ".webp", ".jpg", ".jpeg") else ".png"


def _shown(events: Generator[Event, None, T], watch: Watch) -> T:
    """The result of a loop, whose events are shown."""
    while True:
        try:
            watch.show(next(events))
        except StopIteration as ended:
            return ended.value
