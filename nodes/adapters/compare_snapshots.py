"""The node *Compare Snapshots*."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.comparisons import grid_of, plot_of_course, table_of
from ..kit.inputs import ADVANCED, lines, problem, seed_input, whole_numbers
from ..kit.pictures import to_tensor
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack
    from ...engine.evaluation.looks import FeatureSpace
    from ...engine.models.contract import Backbone
    from ...engine.runs.snapshots import Snapshots


class CompareSnapshots(io.ComfyNode):
    """Draw the same prompts with several snapshots, and measure what they have drawn."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_CompareSnapshots",
            display_name="Compare Snapshots",
            category=CATEGORY,
            description="Draws the same prompts from one seed with the base model and with snapshots of a training, as "
            "a labeled grid, and measures the pictures: whether they repeat training pictures, are like held-out ones, "
            "follow the prompt, and leave prompts without the trigger word alone.",
            inputs=[
                sockets.Base.Input("base", tooltip="Base model that was trained on."),
                sockets.Snapshots.Input("snapshots", tooltip="From Train LoRA or Train Slider."),
                io.String.Input(
                    "prompts",
                    default="",
                    multiline=True,
                    tooltip="One prompt per line: some of what no picture shows, with the trigger word, and some "
                    "without it. Empty: the trigger phrase in the jungle, on the beach and in the snow.",
                ),
                io.Int.Input(
                    "captions",
                    default=3,
                    min=0,
                    max=64,
                    tooltip="Captions that are drawn before the prompts: of held-out pictures, or of training pictures "
                    "where none are held out. Likeness is measured on them.",
                ),
                seed_input(tooltip="Seed of the initial noise, the same for all pictures."),
                io.String.Input(
                    "steps",
                    default="",
                    tooltip="Steps whose snapshots are compared, comma-separated, such as 200, 400. Empty: all, or "
                    "evenly as many as most says.",
                ),
                io.Int.Input(
                    "most",
                    default=8,
                    min=1,
                    max=64,
                    tooltip="With steps empty: how many snapshots to compare at most, the last among them.",
                ),
                io.Int.Input(
                    "sampling_steps",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="Denoising steps of each picture. 0: what the base model draws well with.",
                    extra_dict=ADVANCED,
                ),
                io.Float.Input(
                    "guidance",
                    default=0.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="How closely to follow the prompt (CFG). 0: what the base model draws well with; 1 turns "
                    "it off.",
                    extra_dict=ADVANCED,
                ),
                sockets.Stack.Input(
                    "stack",
                    optional=True,
                    tooltip="Adapters that are on in all pictures, those of the base model included, such as the "
                    "context that was trained in.",
                ),
                io.ClipVision.Input(
                    "clip_vision",
                    optional=True,
                    tooltip="A vision model of ComfyUI, such as CLIP, SigLIP or DINO, to measure likeness, adherence "
                    "and drift by what pictures show. Without it, they are measured by layout and colors.",
                ),
            ],
            outputs=[
                sockets.Snapshots.Output(
                    "snapshots", tooltip="The same snapshots with what was measured, for Pick Snapshot."
                ),
                io.Image.Output(
                    "grid", tooltip="A row for each prompt, a column for the base model and each snapshot."
                ),
                io.Image.Output("plot", tooltip="The measures over the steps, with the snapshot to use."),
                io.String.Output("report", tooltip="The verdict with its reasons, and all measures."),
                sockets.Batch.Output("batch", tooltip="The single pictures, column by column, for Save Images."),
            ],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, steps: str | None = None) -> bool | str:
        return problem(whole_numbers, steps)

    @classmethod
    def execute(
        cls,
        base: Backbone,
        snapshots: Snapshots,
        prompts: str,
        captions: int,
        seed: int,
        steps: str,
        most: int,
        sampling_steps: int,
        guidance: float,
        stack: Stack | None = None,
        clip_vision: Any = None,
    ) -> io.NodeOutput:
        from ...engine.adapters.stack import Stack
        from ...engine.runs.comparing import ComparisonRequest, compare_snapshots, evenly

        chosen = snapshots.exactly(whole_numbers(steps)) if steps.strip() else evenly(snapshots, most)
        request = ComparisonRequest(
            prompts=lines(prompts), captions=captions, seed=seed, steps=sampling_steps, guidance=guidance,
            beside=stack or Stack(), space=_space(clip_vision),
        )  # fmt: skip
        tell("\n".join(stack.remarks_on_training(base.known_words) if stack else []))
        store = host().run_store()
        comparison = host().drive(compare_snapshots(base, snapshots, chosen, request, store))
        judged, course = replace(snapshots, course=comparison.course), comparison.course
        found = judged.verdict
        assert found  # there are measures
        text = f"{snapshots.name}: {found}\n{table_of(course)}"
        tell(text)
        grid = to_tensor([grid_of(comparison, found.best, snapshots.name)])
        plot = to_tensor([plot_of_course(course, found, f"{snapshots.name}: drawn pictures")])
        report = {"verdict": found.facts(), "prompts": [own.prompt for own in course.asked], "measures": course.facts()}
        batch = [picture for column in comparison.columns for picture in column]
        return io.NodeOutput(judged, grid, plot, text, batch, ui=shown(text=text, preview=grid, report=report, cls=cls))


def _space(vision: Any) -> FeatureSpace:
    from ...engine.evaluation.looks import LOOKS

    return LOOKS if vision is None else host().native().feature_space(vision)
