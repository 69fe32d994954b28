"""The node *Train LoRA*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import or_else, seed_input
from ..kit.noise_levels import levels_of_run
from ..kit.pictures import to_tensor
from ..kit.shown import shown
from ..kit.stopping import stops_of, unfinished
from ..kit.verdicts import plot_of_verdict
from . import CATEGORY

if TYPE_CHECKING:
    from PIL import Image

    from ...engine.adapters.stack import Stack
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.runs.train import Finished, TrainedAdapter
    from ...engine.training.recipe import Recipe


class TrainLoRA(io.ComfyNode):
    """Train an adapter, or return it at once if it was trained before."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_TrainLoRA",
            display_name="Train LoRA",
            category=CATEGORY,
            description="Trains an adapter. An unchanged run returns the finished adapter at once, an interrupted one "
            "resumes, and raising steps continues one with a constant schedule.",
            inputs=[
                sockets.Base.Input("base", tooltip="Base model to train on."),
                sockets.Dataset.Input("dataset", tooltip="Training pictures; all need a caption."),
                sockets.Recipe.Input("recipe", tooltip="Training settings, from Recipe."),
                seed_input(
                    tooltip="Seed of the initial weights, picture order and noise. Keep it fixed: another seed trains "
                    "another adapter."
                ),
                io.String.Input(
                    "name",
                    default="",
                    tooltip="Name of the adapter in labels and files. Empty: the data set's name. Changing it doesn't "
                    "train again.",
                ),
                sockets.Dataset.Input(
                    "regularization",
                    optional=True,
                    tooltip="Captioned pictures of other members of the class, without the trigger word. They keep the "
                    "base model's idea of the class.",
                ),
                sockets.Stack.Input(
                    "companions",
                    optional=True,
                    tooltip="Adapters beside the one that is trained, from Companion Adapter: on while training, part "
                    "of the base model, or the values to start from.",
                ),
            ],
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The trained adapter."),
                io.Image.Output("loss_plot", tooltip="Plot of loss and learning rate, and of the search for the rate."),
                io.String.Output("report", tooltip="Summary of the run: steps, time and loss."),
                io.LoraModel.Output("lora_model", tooltip="The adapter for ComfyUI's own LoRA nodes."),
                snapshots_output(),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        return stops_of(cls)

    @classmethod
    def execute(
        cls,
        base: Backbone,
        dataset: Dataset,
        recipe: Recipe,
        seed: int,
        name: str,
        regularization: Dataset | None = None,
        companions: Stack | None = None,
    ) -> io.NodeOutput:
        from ...engine.adapters.files import file_tensors
        from ...engine.runs.graphs import Graph
        from ...engine.runs.processes import train_on_devices

        name = or_else(name, dataset.name)
        trained = host().drive(
            train_on_devices(
                base, dataset, recipe, seed=seed, store=host().run_store(), name=name,
                regularization=regularization, graph=Graph(**host().workflow_metadata(cls)), companions=companions,
            )
        )  # fmt: skip
        levels = levels_of_run(recipe, dataset, base, f"{name}: noise levels")
        plots = plots_of(trained, recipe, name)
        judged = [plot_of_verdict(trained.snapshots)] if trained.figures else []
        pictures = to_tensor([*plots, *judged, *filter(None, [levels.plot])])
        report = training_report(trained) | {"noise_levels": levels.report}
        text = "\n".join(filter(None, [in_words(report), levels.text]))
        tensors, plotted = file_tensors(trained.adapter, dtype="float32"), pictures[: len(plots)]
        return io.NodeOutput(
            trained.adapter,
            plotted,
            text,
            tensors,
            trained.snapshots,
            ui=shown(text=text, preview=pictures, report=report, cls=cls) | unfinished(trained, cls),
        )


def snapshots_output() -> io.Output:
    return sockets.Snapshots.Output(
        "snapshots",
        tooltip="The adapter after the steps that the recipe keeps, for Pick Snapshot and Save Snapshots.",
    )


def plots_of(trained: TrainedAdapter, recipe: Recipe, name: str) -> list[Image.Image]:
    """The plot of a run, and that of the search for its learning rate, if there was one."""
    from ...engine.figures.rate_plot import rate_plot

    test = trained.range_test
    if test is None:
        return [plot_of_run(trained, recipe, name)]
    measured = list(zip(test.rates, test.losses, strict=True))
    title = f"{name}: search for the learning rate"
    return [
        plot_of_run(trained, recipe.changed(learning_rate=test.rate), name),
        rate_plot(measured, test.smoothed, test.rate, title=title),
    ]


def plot_of_run(trained: Finished, recipe: Recipe, name: str) -> Image.Image:
    """The losses of a run and their parts, with its learning rates."""
    from ...engine.figures.plots import loss_plot

    rates = recipe.changed(steps=trained.steps).learning_rates(len(trained.losses))
    return loss_plot(trained.losses, learning_rates=rates, parts=trained.parts, title=name)


def training_report(trained: TrainedAdapter) -> dict[str, Any]:
    """A run as plain values."""
    return facts_of_run(trained) | {
        "name": trained.adapter.name,
        "trigger": trained.adapter.trigger,
        "adapter": str(trained.adapter.path),
        "companions": trained.companions.facts(),
        "snapshots": [*trained.snapshots.by_step],
        "verdict": verdict.facts() if (verdict := trained.snapshots.verdict) else None,
        "rate_search": trained.range_test.facts() if trained.range_test else None,
    }


def facts_of_run(trained: Finished) -> dict[str, Any]:
    """What is known of every run, as plain values; losses are means over the first and the last tenth of the steps."""
    from ...engine.training.loss_parts import parts_report

    losses = trained.losses
    tenth = max(1, len(losses) // 10)
    return {
        "steps": len(losses),
        "stopped": trained.stopped,
        "ended_early": bool(trained.ended_early),
        "length": trained.length,
        "cached": trained.cached,
        "resumed_at": trained.resumed_at,
        "seconds": round(trained.seconds, 2),
        "first_loss": round(sum(losses[:tenth]) / tenth, 5),
        "last_loss": round(sum(losses[-tenth:]) / tenth, 5),
        "loss_parts": parts_report(trained.parts),
        "memory": trained.memory,
        "notes": list(trained.notes),
    }


def in_words(report: dict[str, Any]) -> str:
    """A :func:`training_report` as text: the result, the parts of the loss, the length in both units, and what to know
    of it."""
    from ...engine.training.loss_parts import parts_in_words

    if report["cached"]:
        done = f"{report['steps']} steps, already trained"
    elif report["resumed_at"]:
        done = f"{report['steps']} steps, resumed at step {report['resumed_at']}, in {report['seconds']:.0f} s"
    else:
        done = f"{report['steps']} steps in {report['seconds']:.0f} s"
    trigger = f"; trigger phrase: {report['trigger']}" if report["trigger"] else ""
    told = f"{report['name']}: {done}; loss {report['first_loss']:.4g} to {report['last_loss']:.4g}{trigger}"
    return "\n".join(
        [
            told,
            *parts_in_words(report["loss_parts"]),
            report["length"],
            *_search(report.get("rate_search")),
            *_verdict(report.get("verdict")),
            *map(_companion, report["companions"]),
            *filter(None, [report["memory"]]),
            *report["notes"],
        ]
    )


def _search(fact: dict[str, Any] | None) -> list[str]:
    if not fact:
        return []
    found, at = fact["learning_rate"], fact["lowest_at"]
    return [f"learning rate {found:g}, found by {fact['steps']} trial steps: their loss was lowest at {at:g}"]


def _verdict(fact: dict[str, Any] | None) -> list[str]:
    return [" ".join([f"Best: step {fact['best']}.", *fact["reasons"]])] if fact else []


def _companion(fact: dict[str, Any]) -> str:
    from ...engine.adapters.companions import ROLES

    return f"companion: {fact['name']}, {ROLES[fact['role']]}, with weight {fact['weight']:g}"
