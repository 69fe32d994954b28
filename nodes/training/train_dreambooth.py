"""The node *Train DreamBooth*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import or_else, seed_input
from ..kit.pictures import to_tensor
from ..kit.shown import shown
from ..kit.stopping import stops_of, unfinished
from . import CATEGORY
from .train_lora import facts_of_run, in_words, plot_of_run

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.runs.dreambooth import TrainedModel
    from ...engine.training.recipe import Recipe


class TrainDreamBooth(io.ComfyNode):
    """Train all weights of a base model, or return the result at once if that was done before."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_TrainDreamBooth",
            display_name="Train DreamBooth",
            category=CATEGORY,
            description="Trains all weights of a copy of the base model. It needs far more memory and disk than an "
            "adapter, which is told, and refused if it doesn't fit, before the first step.",
            inputs=[
                sockets.Base.Input(
                    "base", tooltip="Base model from Load Base Model. It stays as it is: a copy is trained."
                ),
                sockets.Dataset.Input("dataset", tooltip="Training pictures; all need a caption."),
                sockets.Recipe.Input(
                    "recipe", tooltip="Training settings, from Recipe. Rank, alpha and targets have no effect."
                ),
                io.Float.Input(
                    "learning_rate",
                    default=5e-6,
                    min=1e-9,
                    max=1.0,
                    step=1e-7,
                    tooltip="Peak learning rate of all weights, in place of the recipe's, which is for adapters. "
                    "Usually 1e-6 to 1e-5; the demo base takes 3e-4. A trained text encoder's changes in proportion.",
                ),
                seed_input(tooltip="Seed of picture order and noise. Keep it fixed: another one trains another model."),
                io.String.Input(
                    "name",
                    default="",
                    tooltip="Name of the model in labels and files. Empty: the data set's name. Changing it doesn't "
                    "train again.",
                ),
                sockets.Dataset.Input(
                    "regularization",
                    optional=True,
                    tooltip="Captioned pictures of other members of the class, without the trigger word. They keep the "
                    "base model's idea of the class.",
                ),
            ],
            outputs=[
                sockets.Base.Output("base", tooltip="The trained model, for Generate and Save Base Model."),
                io.Image.Output("loss_plot", tooltip="Plot of loss and learning rate."),
                io.String.Output("report", tooltip="Summary of the run: steps, time, loss and memory."),
                io.Model.Output("model", tooltip="The trained denoiser, for KSampler; only in ComfyUI."),
                io.Clip.Output("clip", tooltip="The text encoder, trained or not, for CLIP Text Encode."),
                io.Vae.Output("vae", tooltip="The VAE, as it was, for VAE Decode."),
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
        learning_rate: float,
        seed: int,
        name: str,
        regularization: Dataset | None = None,
    ) -> io.NodeOutput:
        from ...engine.runs.dreambooth import train_dreambooth
        from ...engine.runs.graphs import Graph

        name, recipe = or_else(name, dataset.name), at_rate(recipe, learning_rate)
        trained = host().drive(
            train_dreambooth(
                base, dataset, recipe, seed=seed, store=host().run_store(), name=name,
                regularization=regularization, graph=Graph(**host().workflow_metadata(cls)),
            )
        )  # fmt: skip
        plot = to_tensor([plot_of_run(trained, recipe, name)])
        report = model_report(trained) | {"learning_rate": learning_rate}
        text = in_words(report)
        return io.NodeOutput(
            trained.base,
            plot,
            text,
            *_in_comfyui(trained),
            ui=shown(text=text, preview=plot, report=report, cls=cls) | unfinished(trained, cls),
        )


def _in_comfyui(trained: TrainedModel) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE; ``None`` outside ComfyUI, as only ComfyUI has nodes for them."""
    return host().native().handed_over(trained.base) if host().has_native else (None, None, None)


def at_rate(recipe: Recipe, rate: float) -> Recipe:
    """The recipe with another learning rate, and that of the text encoder in the same proportion.

    Raises:
        ConfigError: the recipe searches for it.
    """
    from ...engine.core.errors import ConfigError

    own = recipe.optimizer
    if own.rate_search != "none":
        raise ConfigError(
            f"The recipe searches for the learning rate ({own.rate_search}), and this node has its own, {rate:g}.",
            expected="a recipe with a number as its learning rate",
            hint="write learning_rate = 1e-4 into the recipe; here its text encoder's proportion to it counts.",
        )
    return recipe.changed(
        learning_rate=rate, text_encoder_learning_rate=own.text_encoder_learning_rate * rate / own.learning_rate
    )


def model_report(trained: TrainedModel) -> dict[str, Any]:
    """A run as plain values."""
    return facts_of_run(trained) | {
        "name": trained.base.info.name, "trigger": trained.trigger, "weights": str(trained.weights.file),
        "companions": [],
    }  # fmt: skip
