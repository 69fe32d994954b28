"""The node *Train Embedding*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import or_else, seed_input
from ..kit.pictures import to_tensor
from ..kit.shown import shown
from ..kit.stopping import stops_of, unfinished
from . import CATEGORY
from .train_dreambooth import at_rate
from .train_lora import facts_of_run, in_words, plot_of_run

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.runs.embedding import TrainedEmbedding
    from ...engine.training.recipe import Recipe


class TrainEmbedding(io.ComfyNode):
    """Train the vectors of a word, or return them at once if that was done before."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_TrainEmbedding",
            display_name="Train Embedding",
            category=CATEGORY,
            description="Textual inversion: trains vectors for the trigger word, and nothing of the model. The file "
            "has a few kB. It teaches less than an adapter, and together with one it can teach more.",
            inputs=[
                sockets.Base.Input("base", tooltip="Base model of Stable Diffusion 1.x or XL's kind."),
                sockets.Dataset.Input("dataset", tooltip="Training pictures; all captions need the trigger word."),
                sockets.Recipe.Input(
                    "recipe", tooltip="Training settings, from Recipe. Rank, alpha and targets have no effect."
                ),
                io.Int.Input(
                    "vectors",
                    default=4,
                    min=1,
                    max=75,
                    tooltip="Vectors of the word. More hold more, and each takes the room of a token in prompts. "
                    "Usually 1 to 8 for a subject, 4 to 16 for a style.",
                ),
                io.String.Input(
                    "begins_as",
                    default="",
                    tooltip="Words that the vectors begin as, such as fox or watercolor painting. Empty: the class "
                    "word.",
                ),
                io.Float.Input(
                    "learning_rate",
                    default=5e-3,
                    min=1e-7,
                    max=10.0,
                    step=1e-4,
                    tooltip="Peak learning rate of the vectors, in place of the recipe's, which are for adapters. "
                    "Usually 5e-4 to 1e-2; the demo base takes 2e-2.",
                ),
                seed_input(tooltip="Seed of picture order and noise. Keep it fixed: another one trains other vectors."),
                io.String.Input(
                    "name",
                    default="",
                    tooltip="Name of the embedding in labels and files. Empty: the trigger word. Changing it doesn't "
                    "train again.",
                ),
            ],
            outputs=[
                sockets.Embedding.Output("embedding", tooltip="The word with its vectors, for Save Embedding."),
                sockets.Base.Output(
                    "base", tooltip="The base model with the word, for Generate, and for Train LoRA (pivotal tuning)."
                ),
                io.Image.Output("loss_plot", tooltip="Plot of loss and learning rate."),
                io.String.Output("report", tooltip="Summary of the run: steps, time and loss."),
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
        vectors: int,
        begins_as: str,
        learning_rate: float,
        seed: int,
        name: str,
    ) -> io.NodeOutput:
        from ...engine.runs.embedding import train_embedding
        from ...engine.runs.graphs import Graph

        name = or_else(name, dataset.triggers[0].word if dataset.triggers else dataset.name)
        recipe = at_rate(recipe, learning_rate).changed(text_encoder_learning_rate=learning_rate)
        trained = host().drive(
            train_embedding(
                base, dataset, recipe, vectors=vectors, begins_as=begins_as, seed=seed,
                store=host().run_store(), name=name, graph=Graph(**host().workflow_metadata(cls)),
            )
        )  # fmt: skip
        plot = to_tensor([plot_of_run(trained, recipe, name)])
        report = embedding_report(trained, name)
        text = in_words(report)
        return io.NodeOutput(
            trained.embedding,
            trained.base,
            plot,
            text,
            ui=shown(text=text, preview=plot, report=report, cls=cls) | unfinished(trained, cls),
        )


def embedding_report(trained: TrainedEmbedding, name: str) -> dict[str, Any]:
    """A run as plain values."""
    return facts_of_run(trained) | {
        "name": name, "trigger": trained.embedding.word, "vectors": trained.embedding.count, "companions": [],
    }  # fmt: skip
