"""The node *Regularization Set*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.datasets import files_in_figures
from ..kit.galleries import gallery
from ..kit.inputs import lines, problem, seed_input
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.training.recipe import Recipe


class RegularizationSet(io.ComfyNode):
    """Collect or generate regularization pictures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_RegularizationSet",
            display_name="Regularization Set",
            category=CATEGORY,
            description="Collects regularization pictures (other pictures of the subject's class) from a folder or "
            "generates them with the base model, so that training doesn't change the whole class.",
            inputs=_inputs(),
            outputs=[
                sockets.Dataset.Output("regularization", tooltip="For the regularization input of Train LoRA."),
                io.String.Output("report", tooltip="Ratio of regularization pictures to training pictures."),
            ],
        )

    @classmethod
    def validate_inputs(cls, path: str | None) -> bool | str:
        return problem(host().dataset_path, path) if path else True

    @classmethod
    def fingerprint_inputs(cls, path: str, **_: Any) -> str:
        from ...engine.data.trees import folder_fingerprint

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
        from ...engine.data.caption_remarks import caption_remarks
        from ...engine.data.loading import load_dataset
        from ...engine.data.regularization import class_prompts, prompts_in_vain, refuse_shared, regularization_set
        from ...engine.data.remarks import remarks

        asked = class_prompts(lines(prompts), dataset.triggers)
        parts = [pictures] if pictures else []
        if path.strip():
            parts.append(load_dataset(host().dataset_path(path), regularization=True))
        for part in parts:
            refuse_shared(dataset, part)
        given = sum(map(len, parts))
        if base and count > given:
            settings = {"steps": steps, "guidance": guidance, "batch_size": batch_size}
            parts.append(_generated(base, asked, count - given, seed, settings))
        made = regularization_set(parts, asked, dataset.triggers)
        text, figures = _ratio(dataset, made, recipe)
        idle = prompts_in_vain(lines(prompts), made)
        told = [*([idle] if idle else []), *caption_remarks(made, base), *remarks(made)]
        text = "\n".join([f"{given} given, {len(made) - given} generated.", text, *told])
        tell(text)
        report = {"given": given, "generated": len(made) - given, **figures, **files_in_figures(made)}
        return io.NodeOutput(made, text, ui=shown(text=text, report=report, gallery=gallery(made)))


def _generated(base: Backbone, prompts: tuple[str, ...], count: int, seed: int, settings: dict[str, Any]) -> Dataset:
    """Pictures of the class by the base model, or those that the run store has already.

    Raises:
        ConfigError: there is no prompt.
    """
    from ...engine.core.errors import ConfigError
    from ...engine.generation.batch import GenerationRequest
    from ...engine.generation.class_pictures import class_pictures

    if not prompts:
        raise ConfigError(
            "There is no class prompt, and the data set has no class word.",
            expected="at least one prompt that names the class",
            hint="enter a prompt such as: a photo of a dog, or set the class word in LW_TriggerCaptions.",
        )
    request = GenerationRequest(prompts=prompts, seeds=(seed,), **settings)
    return host().drive(class_pictures(base, request, count, host().run_store().class_pictures))


def _ratio(subject: Dataset, made: Dataset, recipe: Recipe | None) -> tuple[str, dict[str, Any]]:
    """The ratio of regularization to training pictures, in words and in plain values."""
    from ...engine.data.regularization import Ratio

    figures = {"subject": subject.samples_per_epoch, "class_pictures": made.samples_per_epoch}
    if recipe is None:
        text = "{class_pictures} regularization pictures for {subject} of the subject; connect a recipe for the ratio."
        return text.format(**figures), figures
    ratio = Ratio(
        **figures, batch_size=recipe.batches.batch_size, prior_batch_size=recipe.prior.prior_batch_size,
        batches=recipe.schedule.steps * recipe.batches.gradient_accumulation,
    )  # fmt: skip
    figures |= {"per_epoch": round(ratio.per_epoch, 2), "views": round(ratio.views, 2), "unseen": ratio.unseen}
    return ratio.in_words(), figures


def _inputs() -> list[io.Input]:
    return [
        sockets.Dataset.Input("dataset", tooltip="Training pictures, after Trigger Captions."),
        io.String.Input(
            "prompts",
            default="",
            multiline=True,
            tooltip="Class prompts, one per line, without the trigger word: a photo of a dog. Empty: the template and "
            "class word of Trigger Captions.",
        ),
        io.Int.Input(
            "count",
            default=50,
            min=0,
            max=100_000,
            tooltip="Number of regularization pictures, usually 50 to 200. The base model generates what is missing; "
            "extra pictures are kept.",
        ),
        io.String.Input(
            "path",
            default="",
            placeholder="class pictures",
            tooltip="Folder or .zip with regularization pictures, as for Load Data Set. Optional.",
        ),
        seed_input(
            tooltip="Seed of the first picture of each prompt. Keep it fixed: other pictures mean training again."
        ),
        io.Int.Input("steps", default=25, min=1, max=1000, tooltip="Denoising steps; usually 20 to 30."),
        io.Float.Input(
            "guidance",
            default=7.0,
            min=0.0,
            max=100.0,
            step=0.1,
            tooltip="How closely to follow the prompt (CFG); usually about 7, for the demo base 3.",
        ),
        io.Int.Input(
            "batch_size", default=8, min=1, max=256, tooltip="Pictures to generate at once. Lower it to save memory."
        ),
        sockets.Dataset.Input("pictures", optional=True, tooltip="Regularization pictures as a data set."),
        sockets.Base.Input(
            "base", optional=True, tooltip="Generates missing pictures. Without it only given pictures are used."
        ),
        sockets.Recipe.Input("recipe", optional=True, tooltip="Batch sizes and steps, for the ratio in the report."),
    ]
