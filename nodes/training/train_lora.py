"""The node that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import FIXED_SEED, LARGEST_SEED, or_else
from ..kit.pictures import to_tensor
from ..kit.shown import shown
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.runs.train import TrainedAdapter
    from ...engine.training.recipe import Recipe


class TrainLoRA(io.ComfyNode):
    """A training, or the adapter that it gave before."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_TrainLoRA",
            display_name="Train LoRA",
            category=CATEGORY,
            description="Trains an adapter. An unchanged training gives its adapter back at once, an interrupted one "
            "goes on where it stopped, and more steps continue the earlier ones.",
            inputs=[
                sockets.Base.Input("base", tooltip="The base model to train on; it stays as it is."),
                sockets.Dataset.Input("dataset", tooltip="What to learn: pictures that all have a caption."),
                sockets.Recipe.Input("recipe", tooltip="How to train, from the node Recipe."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=LARGEST_SEED,
                    extra_dict=FIXED_SEED,
                    tooltip="Of initial values, order and noise. The same seed gives the same adapter; another one "
                    "trains anew, so keep it fixed.",
                ),
                io.String.Input(
                    "name",
                    default="",
                    tooltip="Of the adapter, in labels and file names; empty takes the data set's. Changing it doesn't "
                    "train again.",
                ),
                sockets.Dataset.Input(
                    "regularization",
                    optional=True,
                    tooltip="Captioned pictures of other things of the same kind, without the trigger word. They keep "
                    "the base model's idea of the kind from drifting.",
                ),
            ],
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The trained adapter."),
                io.Image.Output("loss_plot", tooltip="Loss and learning rate of each step, as a picture."),
                io.String.Output("report", tooltip="What was done, in words."),
                io.LoraModel.Output("lora_model", tooltip="The adapter as ComfyUI's own LoRA nodes take it."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def execute(
        cls,
        base: Backbone,
        dataset: Dataset,
        recipe: Recipe,
        seed: int,
        name: str,
        regularization: Dataset | None = None,
    ) -> io.NodeOutput:
        from ...engine.adapters.files import file_tensors
        from ...engine.figures.plots import loss_plot
        from ...engine.runs.store import RunStore
        from ...engine.runs.train import Graph, train_adapter

        name = or_else(name, dataset.name)
        trained = host().drive(
            train_adapter(
                base, dataset, recipe, seed=seed, store=RunStore(host().store_root()), name=name,
                regularization=regularization, graph=Graph(**host().workflow_metadata(cls)),
            )
        )  # fmt: skip
        rates = recipe.learning_rates(len(trained.losses))
        plot = to_tensor([loss_plot(trained.losses, learning_rates=rates, title=name)])
        report = training_report(trained)
        text = in_words(report)
        tensors = file_tensors(trained.adapter, dtype="float32")
        return io.NodeOutput(
            trained.adapter, plot, text, tensors, ui=shown(text=text, preview=plot, report=report, cls=cls)
        )


def training_report(trained: TrainedAdapter) -> dict[str, Any]:
    """A training in plain values; losses are means over the first and the last tenth of the steps."""
    losses = trained.losses
    tenth = max(1, len(losses) // 10)
    return {
        "name": trained.adapter.name,
        "steps": len(losses),
        "cached": trained.cached,
        "resumed_at": trained.resumed_at,
        "seconds": round(trained.seconds, 2),
        "first_loss": round(sum(losses[:tenth]) / tenth, 5),
        "last_loss": round(sum(losses[-tenth:]) / tenth, 5),
        "trigger": trained.adapter.trigger,
        "adapter": str(trained.adapter.path),
    }


def in_words(report: dict[str, Any]) -> str:
    """A training report for people."""
    if report["cached"]:
        done = f"{report['steps']} steps, trained before"
    elif report["resumed_at"]:
        done = f"{report['steps']} steps, from step {report['resumed_at']} on in {report['seconds']:.0f} s"
    else:
        done = f"{report['steps']} steps in {report['seconds']:.0f} s"
    trigger = f"; call it with: {report['trigger']}" if report["trigger"] else ""
    return f"{report['name']}: {done}; loss {report['first_loss']:.4g} to {report['last_loss']:.4g}{trigger}"
