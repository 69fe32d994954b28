"""The node that makes regularization sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import sockets
from .host import host, io
from .inputs import FIXED_SEED, LARGEST_SEED, lines, problem
from .shown import shown, tell

if TYPE_CHECKING:
    from ..engine.data.dataset import Dataset
    from ..engine.models.contract import Backbone
    from ..engine.training.recipe import Recipe


class RegularizationSet(io.ComfyNode):
    """Pictures of the class, found or drawn."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_RegularizationSet",
            display_name="Regularization Set",
            category="LoRA Workbench/data set",
            description="Gathers pictures of the class, from a folder or drawn by the base model, that keep a training "
            "from changing the whole class, and says how they weigh beside the subject's.",
            inputs=_inputs(),
            outputs=[
                sockets.Dataset.Output("regularization", tooltip="For the input of that name of Train LoRA."),
                io.String.Output("report", tooltip="How often a training sees class pictures beside the subject's."),
            ],
        )

    @classmethod
    def validate_inputs(cls, path: str | None) -> bool | str:
        return problem(host().dataset_path, path) if path else True

    @classmethod
    def fingerprint_inputs(cls, path: str, **_: Any) -> str:
        from ..engine.data.trees import folder_fingerprint

        return folder_fingerprint(host().dataset_path(path)) if path else ""

    @classmethod
    def execute(
        cls,
        dataset: Dataset,
        prompts: str,
        count: int,
        path: str,
        seed: int,
        steps: int,
        guidance: float,
        batch_size: int,
        pictures: Dataset | None = None,
        base: Backbone | None = None,
        recipe: Recipe | None = None,
    ) -> io.NodeOutput:
        from ..engine.data.loading import load_dataset
        from ..engine.data.regularization import class_prompts, regularization_set

        asked = class_prompts(lines(prompts), dataset.trigger)
        parts = [pictures] if pictures else []
        if path.strip():
            parts.append(load_dataset(host().dataset_path(path)))
        given = sum(map(len, parts))
        if base and count > given:
            settings = {"steps": steps, "guidance": guidance, "batch_size": batch_size}
            parts.append(_drawn(base, asked, count - given, seed, settings))
        made = regularization_set(parts, asked, dataset.trigger)
        text, figures = _weighed(dataset, made, recipe)
        text = "\n".join([f"{given} given, {len(made) - given} drawn.", text, *_left_out(made)])
        tell(text)
        report = {"given": given, "drawn": len(made) - given, **figures}
        return io.NodeOutput(made, text, ui=shown(text=text, report=report))


def _drawn(base: Backbone, prompts: tuple[str, ...], count: int, seed: int, settings: dict[str, Any]) -> Dataset:
    """Pictures of the class by the base model, from the vault where they are there already.

    Raises:
        ConfigError: there is no prompt.
    """
    from ..engine.core.errors import ConfigError
    from ..engine.generation.batch import GenerationRequest
    from ..engine.generation.class_pictures import class_pictures
    from ..engine.runs.store import RunStore

    if not prompts:
        raise ConfigError(
            "There is no class prompt, and the data set has no class word.",
            expected="at least one prompt that names the class",
            hint="write a prompt such as: a photo of a dog, or a class word in LW_TriggerCaptions.",
        )
    request = GenerationRequest(prompts=prompts, seeds=(seed,), **settings)
    return host().drive(class_pictures(base, request, count, RunStore(host().store_root()).class_pictures))


def _weighed(subject: Dataset, made: Dataset, recipe: Recipe | None) -> tuple[str, dict[str, Any]]:
    """The ratio in words and in plain values."""
    from ..engine.data.regularization import Ratio

    figures = {"subject": subject.samples_per_epoch, "class_pictures": made.samples_per_epoch}
    if recipe is None:
        text = "{class_pictures} class pictures beside {subject} of the subject; link the recipe to see how they weigh."
        return text.format(**figures), figures
    ratio = Ratio(
        **figures, batch_size=recipe.batch_size, prior_batch_size=recipe.prior_batch_size,
        batches=recipe.steps * recipe.gradient_accumulation,
    )  # fmt: skip
    figures |= {"per_epoch": round(ratio.per_epoch, 2), "views": round(ratio.views, 2), "unseen": ratio.unseen}
    return ratio.in_words(), figures


def _left_out(dataset: Dataset) -> list[str]:
    return [f"left out {skipped.name}: {skipped.reason}" for skipped in dataset.skipped]


def _inputs() -> list[io.Input]:
    return [
        sockets.Dataset.Input(
            "dataset", tooltip="The subject's pictures, after Trigger Captions; they stay as they are."
        ),
        io.String.Input(
            "prompts",
            default="",
            multiline=True,
            tooltip="What the class is called, one prompt a line, without the trigger word: a photo of a dog. Empty "
            "takes the template and class word of the trigger captions.",
        ),
        io.Int.Input(
            "count",
            default=50,
            min=0,
            max=100_000,
            tooltip="Class pictures wanted. If fewer are given, the base model draws the rest; more are all kept.",
        ),
        io.String.Input(
            "path",
            default="",
            placeholder="class pictures",
            tooltip="Folder or .zip of class pictures, as for Load Data Set; empty for none.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=LARGEST_SEED,
            extra_dict=FIXED_SEED,
            tooltip="Of the first picture drawn of each prompt; the next ones follow. Keep it fixed: other pictures "
            "are another training.",
        ),
        io.Int.Input("steps", default=25, min=1, max=1000, tooltip="Denoising steps of a drawn picture."),
        io.Float.Input(
            "guidance",
            default=7.0,
            min=0.0,
            max=100.0,
            step=0.1,
            tooltip="How closely a drawn picture follows its prompt; 3 for the demo base.",
        ),
        io.Int.Input(
            "batch_size", default=8, min=1, max=256, tooltip="Pictures drawn at once; fewer need less memory."
        ),
        sockets.Dataset.Input("pictures", optional=True, tooltip="Class pictures of your own, as a data set."),
        sockets.Base.Input(
            "base", optional=True, tooltip="Draws what is missing; without it only given ones are used."
        ),
        sockets.Recipe.Input(
            "recipe", optional=True, tooltip="Tells how many of each kind a step sees, for the report."
        ),
    ]
