"""The node *Train Slider*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import lines, numbers, or_else, problem, seed_input
from ..kit.settings import parse_settings
from ..kit.shown import shown
from ..kit.stopping import stops_of, unfinished
from ..kit.strips import labeled_strip
from . import CATEGORY
from .train_lora import in_words, snapshots_output, training_report

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ...engine.adapters.stack import Stack
    from ...engine.core.events import Event
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.runs.train import TrainedAdapter
    from ...engine.training.recipe import Recipe
    from ...engine.training.slider import PromptSlider

_GUIDANCE, _PICTURES = 3.0, 16


class TrainSlider(io.ComfyNode):
    """Train a slider, or return it at once if it was trained before."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_TrainSlider",
            display_name="Train Slider",
            category=CATEGORY,
            description="Trains an adapter whose weight moves a property both ways, such as age, from two prompts "
            "without any pictures, or from pairs of pictures. It needs no trigger word.",
            inputs=_inputs(),
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The slider: use it at weights from -1 to 1."),
                io.Image.Output("strip", tooltip="Pictures at several weights, one row per prompt."),
                io.String.Output("report", tooltip="Summary of the run: steps, time, loss and settings."),
                io.LoraModel.Output("lora_model", tooltip="The slider for ComfyUI's own LoRA nodes."),
                snapshots_output(),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def validate_inputs(cls, settings: str | None = None, strip_weights: str | None = None) -> bool | str:
        wrong = [
            told for told in (problem(parse_settings, settings), problem(numbers, strip_weights)) if told is not True
        ]
        return str(wrong[0]) if wrong else True

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        return stops_of(cls)

    @classmethod
    def execute(
        cls,
        base: Backbone,
        seed: int,
        name: str,
        strip_prompts: str,
        strip_weights: str,
        settings: str = "",
        recipe: Recipe | None = None,
        positive_pictures: Dataset | None = None,
        negative_pictures: Dataset | None = None,
        companions: Stack | None = None,
        **prompts: Any,
    ) -> io.NodeOutput:
        """``prompts`` are the inputs from ``positive`` to ``pictures``."""
        from ...engine.adapters.files import file_tensors
        from ...engine.runs.graphs import Graph
        from ...engine.training.suggestions import recipe_table

        recipe = recipe_of(base, recipe, settings)
        run = {
            "recipe": recipe, "seed": seed, "store": host().run_store(),
            "graph": Graph(**host().workflow_metadata(cls)), "companions": companions,
        }  # fmt: skip
        if positive_pictures is None and negative_pictures is None:
            events = _by_prompts(base, or_else(name, _named(prompts)), prompts, run)
            unused = []
        else:
            pairs = both(positive_pictures, negative_pictures)
            events = _by_pictures(base, or_else(name, pairs[0].name), pairs, prompts, run)
            unused = _unused(prompts)
        trained = host().drive(events)
        shown_prompts = lines(strip_prompts) or lines(prompts["neutral"]) or _captions(trained)
        weights = numbers(strip_weights)
        context = trained.companions.context
        picture = labeled_strip(base, trained.adapter, shown_prompts, weights, seed, context)
        report = training_report(trained)
        report["notes"] += unused
        text = "\n\n".join(["\n".join([in_words(report), recipe.reason]).strip(), recipe_table(recipe)])
        report |= {"settings": recipe.flat(), "prompts": list(shown_prompts), "weights": list(weights)}
        tensors = file_tensors(trained.adapter, dtype="float32")
        return io.NodeOutput(
            trained.adapter,
            picture,
            text,
            tensors,
            trained.snapshots,
            ui=shown(text=text, preview=picture, report=report, cls=cls) | unfinished(trained, cls),
        )


def recipe_of(base: Backbone, recipe: Recipe | None, settings: str) -> Recipe:
    """The recipe that came in, or the usual one for sliders, with these settings."""
    from ...engine.training.slider_recipe import suggest_slider
    from ...engine.training.suggestions import with_changes

    return with_changes(recipe or suggest_slider(base.info), parse_settings(settings))


def _named(prompts: Mapping[str, Any]) -> str:
    """A slider's name by its ends."""
    return f"{prompts['negative'].strip()} to {prompts['positive'].strip()}"


def _by_prompts(
    base: Backbone, name: str, prompts: Mapping[str, Any], run: Mapping[str, Any]
) -> Generator[Event, None, TrainedAdapter]:
    from ...engine.runs.sliders import train_prompt_slider

    return train_prompt_slider(base, slider_of(prompts), pictures=prompts["pictures"], name=name, **run)


def slider_of(prompts: Mapping[str, Any]) -> PromptSlider:
    """The slider that the inputs from ``positive`` to ``guidance`` describe.

    Raises:
        ConfigError: a prompt is missing.
    """
    from ...engine.training.slider import PromptSlider

    return PromptSlider(
        positive=prompts["positive"].strip(), negative=prompts["negative"].strip(), neutral=lines(prompts["neutral"]),
        preserve=lines(prompts["preserve"]), guidance=prompts["guidance"],
    )  # fmt: skip


def _by_pictures(
    base: Backbone, name: str, pairs: tuple[Dataset, Dataset], prompts: Mapping[str, Any], run: Mapping[str, Any]
) -> Generator[Event, None, TrainedAdapter]:
    from ...engine.runs.sliders import train_picture_slider

    return train_picture_slider(base, *pairs, prompts=lines(prompts["neutral"]), name=name, **run)


def both(positives: Dataset | None, negatives: Dataset | None) -> tuple[Dataset, Dataset]:
    """Both data sets.

    Raises:
        ConfigError: one is missing.
    """
    from ...engine.core.errors import ConfigError

    if positives is None or negatives is None:
        raise ConfigError(
            f"Only {'negative' if positives is None else 'positive'}_pictures is connected.",
            expected="both data sets, for a slider from pictures, or neither, for one from prompts",
            hint="connect the other data set too.",
        )
    return positives, negatives


def _unused(prompts: Mapping[str, Any]) -> list[str]:
    """A note on inputs that were filled in, and that a slider from pictures doesn't use."""
    usual = {"positive": "", "negative": "", "preserve": "", "guidance": _GUIDANCE, "pictures": _PICTURES}
    given = [name for name, value in usual.items() if prompts[name] != value]
    return [f"No effect with positive_pictures: {', '.join(given)}."] if given else []


def _captions(trained: TrainedAdapter) -> tuple[str, ...]:
    """Captions of the pairs, at most three, for a strip without prompts of its own."""
    import json

    captions = [record["caption"] for record in json.loads(trained.adapter.metadata["lw.dataset"])]
    return tuple(dict.fromkeys(captions))[:3]


def _inputs() -> list[io.Input]:
    return [
        sockets.Base.Input("base", tooltip="Base model to train on."),
        *direction_inputs(),
        *_run_inputs(),
        *optional_inputs(),
    ]


def direction_inputs() -> list[io.Input]:
    """What the slider moves, and how far."""
    return [
        io.String.Input(
            "positive", default="", placeholder="an old person", tooltip="What weight 1 moves toward, as a prompt."
        ),
        io.String.Input(
            "negative",
            default="",
            placeholder="a young person",
            tooltip="What weight -1 moves toward, as a prompt: the opposite of positive.",
        ),
        io.String.Input(
            "neutral",
            default="",
            multiline=True,
            placeholder="a person",
            tooltip="What the slider is for, one prompt per line, without the property. With pictures: their caption; "
            "empty: the captions of the data sets.",
        ),
        io.String.Input(
            "preserve",
            default="",
            multiline=True,
            placeholder="a man\na woman",
            tooltip="What must not change with the property, one per line. Each is added to both ends.",
        ),
        io.Float.Input(
            "guidance",
            default=_GUIDANCE,
            min=0.05,
            max=100.0,
            step=0.05,
            tooltip="How far weights 1 and -1 move; usually 3. Lower it if pictures at these weights break, about 0.7 "
            "for the demo base.",
        ),
        io.Int.Input(
            "pictures",
            default=_PICTURES,
            min=1,
            max=10_000,
            tooltip="Pictures of the neutral prompts that the base model generates to learn on; usually 8 to 32.",
        ),
    ]


def _run_inputs() -> list[io.Input]:
    """What doesn't change the direction: seed, name and strip."""
    return [
        seed_input(
            tooltip="Seed of the pictures, initial weights and noise. Keep it fixed: another seed trains again."
        ),
        io.String.Input(
            "name",
            default="",
            tooltip="Name of the slider in labels and files. Empty: its two ends. Changing it doesn't train again.",
        ),
        io.String.Input(
            "strip_prompts",
            default="",
            multiline=True,
            tooltip="Prompts of the strip, one per line. Empty: the neutral prompts. They never train again.",
        ),
        io.String.Input("strip_weights", default="-1, 0, 1", tooltip="Weights of the strip, separated by commas."),
    ]


def optional_inputs() -> list[io.Input]:
    """The recipe, pictures in place of prompts, and companions."""
    return [
        io.String.Input(
            "settings",
            default="",
            multiline=True,
            optional=True,
            placeholder="steps = 300",
            tooltip="Settings that replace those of the recipe, as name = value, one per line or separated by "
            "semicolons: steps = 300; rank = 4.",
        ),
        sockets.Recipe.Input("recipe", optional=True, tooltip="Training settings. Empty: those usual for sliders."),
        sockets.Dataset.Input(
            "positive_pictures", optional=True, tooltip="Pictures that weight 1 moves toward, instead of prompts."
        ),
        sockets.Dataset.Input(
            "negative_pictures",
            optional=True,
            tooltip="Their opposites: the same pictures with less of the property, under the same file names.",
        ),
        sockets.Stack.Input(
            "companions",
            optional=True,
            tooltip="Adapters beside the slider, from Companion Adapter: on while training, part of the base model, or "
            "the values to start from.",
        ),
    ]
