"""Jobs on an embedded backbone: what ``lora-workbench train``, ``generate`` and ``run`` do, asked for by an agent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.core.errors import WorkbenchError, in_a_line
from ..engine.core.events import Event, StepDone
from ..engine.core.hashing import value_hash
from .backend import DrawRequest, Ended, Picture, Result, TrainRequest, Watch, WorkflowRequest
from .catalog import base_name
from .host import AgentHost

if TYPE_CHECKING:
    from ..engine.adapters.stack import Stack
    from ..engine.batches.drawn import DrawnBatch
    from ..engine.models.contract import Backbone
    from ..engine.runs.from_file import Inputs
    from ..engine.runs.train import TrainedAdapter
    from ..engine.training.recipe import Recipe
    from .places import Place

FOLDER = "agents"
"""Of the pictures that agents have drawn, below ``batches`` in the output folder."""
HELD_OUT = 0.2
"""Share of the pictures that the verdict is measured on."""
ENOUGH = 15
"""Pictures from which on some are held out: fewer than three of them tell nothing."""
SNAPSHOTS = 8
"""That a training is measured at."""
_AT_ONCE = 8
"""Pictures drawn at once."""


class EmbeddedBackend:
    """The :class:`~.backend.Backend` of this program. It keeps the base model that it drew with last.

    Args:
        place: its folders and base models.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._loaded: tuple[Path, Backbone] | None = None

    def draw(self, request: DrawRequest, watch: Watch) -> Result:
        from ..headless.running import running

        host = self._host(watch.show)
        with running(host):
            return self._drawn(request, host)

    def train(self, request: TrainRequest, watch: Watch) -> Result:
        from ..headless.running import running

        self._loaded = None  # its memory is for the training
        host = self._host(_Stopping(watch))
        with running(host):
            made, trained = host.drive(self._training(request, host))
            return self._kept(request, host, made, trained)

    def run(self, request: WorkflowRequest, watch: Watch) -> Result:
        from ..headless.executor import Executor
        from ..nodes import registry
        from .workflows import prepared

        self._loaded = None
        host, nodes = self._host(watch.show), registry()
        outcome = Executor(nodes, host).run(prepared(Path(request.path), request.values, nodes))
        return Result(
            pictures=[Picture(path=path) for path in outcome.images],
            adapters=[host.adapter_name(Path(path)) or path for path in outcome.adapters],
            report={"nodes": outcome.reports, "files": outcome.adapters, "cached_nodes": outcome.cached_nodes},
            notes=[f"{note}." for note in outcome.notes],
        )

    def _host(self, show: Callable[[Event], None]) -> AgentHost:
        return AgentHost(self._place, show)

    def _path_of(self, name: str, host: AgentHost) -> Path:
        """A base model of the place; the first where none is named."""
        paths = [host.base_path(base) for base in self._place.bases]
        return next((path for path in paths if base_name(path) == name), paths[0])

    def _base(self, name: str, host: AgentHost) -> Backbone:
        from ..engine.models.registry import load_base

        path = self._path_of(name, host)
        if self._loaded is None or self._loaded[0] != path:
            self._loaded = None
            self._loaded = path, load_base(path, device=self._place.device, precision=self._place.precision)
        return self._loaded[1]

    def _drawn(self, request: DrawRequest, host: AgentHost) -> Result:
        from ..engine.generation.batch import negative_remark
        from ..engine.generation.trigger_words import place_triggers
        from ..nodes.kit import stack_rows
        from ..nodes.kit.files import new_file

        stack = stack_rows.stack_of(stack_rows.paths_of(request.rows))
        placed = place_triggers([request.scene], stack)
        base = self._base(request.base, host)
        guidance = request.guidance or base.info.generation.guidance
        folder = new_file(
            host.output_directory() / "batches" / FOLDER,
            f"{Path(request.name).name.removesuffix('.safetensors')}-{value_hash(asdict(request))[:10]}",
        )
        drawn = host.drive(_batch(base, request, placed.prompts[0], stack, folder))
        notes = [negative_remark(base.info, request.negative, guidance), *stack_rows.remarks(stack)]
        pictures = [
            Picture(path=str(drawn.path_of(job)), prompt=job.prompt, seed=job.seed) for job in drawn.plan.jobs
        ]  # fmt: skip
        return Result(
            pictures=pictures,
            report={"base": base.info.name, "stack": stack_rows.summary(stack), "folder": str(folder),
                    "page": str(drawn.page), "drawn_now": drawn.drawn},
            notes=[note for note in notes if note],
        )  # fmt: skip

    def _training(
        self, request: TrainRequest, host: AgentHost
    ) -> Generator[Event, None, tuple[Inputs, TrainedAdapter]]:
        from ..engine.core.ranks import Ranks
        from ..engine.runs.from_file import Places, inputs_of
        from ..engine.runs.processes import train_on_devices
        from ..engine.runs.run_file import run_of

        run = run_of(self._as_file(request, host), "The request")
        places = Places(base=host.base_path, dataset=host.dataset_path, store=host.run_store())
        made = yield from inputs_of(run, places, self._place.device, Ranks())
        recipe = measured(made.recipe, len(made.dataset), run.settings)
        trained = yield from train_on_devices(
            made.base, made.dataset, recipe, seed=run.run.seed, store=host.run_store(), name=made.name
        )
        return made, trained

    def _as_file(self, request: TrainRequest, host: AgentHost) -> dict[str, Any]:
        """The request as the values of a training's file."""
        base = {
            "path": str(self._path_of(request.base, host)), "device": self._place.device,
            "precision": self._place.precision,
        }  # fmt: skip
        trigger = {"word": request.trigger, "class_word": request.class_word} if request.trigger else None
        if trigger and request.template:
            trigger["template"] = request.template
        return {
            "name": request.name, "seed": request.seed, "base": base, "dataset": {"path": request.folder},
            "recipe": {"goal": request.goal, "quality": request.quality, **request.settings},
            **({"trigger": trigger} if trigger else {}),
        }  # fmt: skip

    def _kept(self, request: TrainRequest, host: AgentHost, made: Inputs, trained: TrainedAdapter) -> Result:
        """Save the snapshot that is wanted, pin it, and give it a preview."""
        from ..engine.adapters.keeping import keep
        from ..engine.adapters.metadata import VERDICT
        from ..engine.vault.notes import write_notes
        from ..nodes.kit.files import new_file
        from ..nodes.training.train_lora import training_report

        snapshots, verdict = trained.snapshots, trained.snapshots.verdict
        picked = snapshots.at(verdict.best) if verdict and request.keep == "verdict" else snapshots.last
        adapter = picked.adapter()
        if verdict and picked.step == verdict.best:
            adapter = replace(adapter, metadata={**adapter.metadata, VERDICT: str(verdict)})
        path = keep(adapter, new_file(host.adapter_directory(), request.name)).path
        write_notes(path, pinned=True)
        report = training_report(trained)
        notes = [*report.pop("notes"), *self._preview(path, made, host)]
        name = host.adapter_name(path) or str(path)
        report |= {"adapter": name, "file": str(path), "step": picked.step, "steps": snapshots.steps}
        return Result(
            adapters=[name], report=report, notes=notes, stopped=trained.stopped,
            pictures=[Picture(path=str(preview))] if (preview := path.with_suffix(".preview.png")).is_file() else (),
        )  # fmt: skip

    def _preview(self, path: Path, made: Inputs, host: AgentHost) -> list[str]:
        """Draw a picture beside an adapter that has none; what went wrong, for the agent."""
        from ..engine.generation.trigger_words import place_triggers
        from ..engine.vault.previews import write_preview
        from ..engine.vault.sidecars import Folders
        from ..nodes.kit import stack_rows

        if Folders().beside(path).preview:
            return []
        try:
            stack = stack_rows.stack_of(stack_rows.paths_of(f"on | {host.adapter_name(path) or path}"))
            scene = "" if stack.triggers() else made.dataset.records[0].caption or made.name
            prompt = place_triggers([scene], stack).prompts[0]
            folder = host.output_directory() / "batches" / FOLDER / "previews"
            request = DrawRequest(name=made.name, scene=scene)
            drawn = host.drive(_batch(made.base, request, prompt, stack, folder))
            write_preview(path, drawn.paths[0])
        except WorkbenchError as error:
            return [f"It has no preview: {in_a_line(error)}"]
        return []


class _Stopping:
    """Shows the events of a training, and asks it to stop when its watch says so.

    Args:
        watch: of the job. It remembers that steps were trained: the adapter of such a job is kept when it stops, also
            by a process that goes on with it.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch, self._is_asked = watch, False

    def __call__(self, event: Event) -> None:
        """
        Raises:
            Ended: the job is to end, or to stop before it has trained anything.
        """
        from ..engine.runs.requests import stop_here

        self._watch.show(event)
        if isinstance(event, StepDone) and not self._watch.remembered.get("trained"):
            self._watch.remember(trained=True)
        if self._watch.stop_wanted() and not self._is_asked:
            self._is_asked = stop_here() > 0
            if not self._is_asked and not self._watch.remembered.get("trained"):
                raise Ended


def measured(recipe: Recipe, pictures: int, given: Collection[str]) -> Recipe:
    """A recipe whose run gets a verdict; see :func:`measures`."""
    return recipe.changed(**measures(recipe.schedule.steps, pictures, given))


def measures(steps: int, pictures: int, given: Collection[str]) -> dict[str, Any]:
    """The settings by which a run gets a verdict, but for those that were chosen by hand.

    Args:
        steps: of the run.
        pictures: of the data set.
        given: names of the settings that were chosen.
    """
    wanted: dict[str, Any] = {"measures": True}
    if pictures >= ENOUGH and "held_out_pictures" not in given:
        wanted["held_out"] = HELD_OUT
    if not {"snapshot_steps", "snapshot_epochs"} & set(given):
        wanted["snapshot_every"] = max(1, steps // SNAPSHOTS)
    return {name: value for name, value in wanted.items() if name not in given}


def _batch(
    base: Backbone, request: DrawRequest, prompt: str, stack: Stack, folder: Path
) -> Generator[Event, None, DrawnBatch]:
    """Draw the pictures of a request that aren't in a folder, as ``lora-workbench generate`` does."""
    from ..engine.batches.jobs import Job
    from ..engine.batches.running import Batch, draw_batch
    from ..engine.batches.sweep import Sweep, all_jobs

    usual = base.info.generation
    common = Job(
        negative_prompt=request.negative, steps=request.steps or usual.steps,
        guidance=request.guidance or usual.guidance, width=request.width, height=request.height, stack=stack,
    )  # fmt: skip
    jobs = all_jobs(Sweep(), common, [prompt], [request.seed + number for number in range(request.count)])
    return (yield from draw_batch(base, Batch(name=request.name, jobs=jobs, folder=folder, batch_size=_AT_ONCE)))
