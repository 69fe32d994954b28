"""The node *Picture Board*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.boards import flags_of_board, sheet_of_board
from ..kit.datasets import columns_input
from ..kit.galleries import gallery
from ..kit.inputs import ADVANCED, seed_input
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.training.recipe import Recipe as RecipeValue


class PictureBoard(io.ComfyNode):
    """Find pictures that don't belong, and captions that are wrong, by short trainings."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_PictureBoard",
            display_name="Picture Board",
            category=CATEGORY,
            description="Gives each picture of a data set its place: learnt, hard, suspect (wrong caption or wrong "
            "picture) or mined out. Short trainings leave out a part of the pictures each, and every picture is judged "
            "by one that hasn't seen it. Files are not changed.",
            inputs=[
                sockets.Base.Input("base", tooltip="Base model to train on."),
                sockets.Dataset.Input("dataset", tooltip="Pictures with their captions; six or more."),
                sockets.Recipe.Input("recipe", tooltip="Settings of the training that the pictures are for."),
                io.Int.Input(
                    "folds",
                    default=3,
                    min=2,
                    max=10,
                    tooltip="Trainings, and parts of the data set that each of them leaves one out of. More leave more "
                    "to learn from, and take longer.",
                ),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=1_000_000,
                    tooltip="Steps of each training. 0: a quarter of the recipe's. Few are better than many: wrong "
                    "pictures are learned last.",
                ),
                seed_input(tooltip="Seed of the trainings, of the parts and of the noise."),
                columns_input(),
                io.Int.Input(
                    "rarer",
                    default=1,
                    min=1,
                    max=20,
                    optional=True,
                    tooltip="How many times as rarely suspects and mined-out pictures are shown as the others, in the "
                    "output. 1: repeats stay as they are.",
                    extra_dict=ADVANCED,
                ),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="All pictures, with repeats by rarer."),
                sockets.Dataset.Output(
                    "suspects", tooltip="The suspects, to look at, to caption or to edit; may be empty."
                ),
                io.String.Output("names", tooltip="Names of the suspects, one per line, for drop of Curate Data Set."),
                io.Image.Output("board", tooltip="Contact sheet with each picture's place, suspects first."),
                io.String.Output("report", tooltip="Each picture's place, and why."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        base: Backbone,
        dataset: Dataset,
        recipe: RecipeValue,
        folds: int,
        steps: int,
        seed: int,
        columns: int,
        rarer: int = 1,
    ) -> io.NodeOutput:
        from ...engine.runs.picture_board import BoardSettings, picture_board

        settings = BoardSettings(count=folds, steps=steps, seed=seed)
        made = host().drive(picture_board(base, dataset, recipe, store=host().run_store(), settings=settings))
        sheet = sheet_of_board(dataset, made, columns)
        text = str(made)
        tell(made.summary())
        pictures = gallery(dataset, flags=flags_of_board(made))
        ui = shown(text=text, preview=sheet, report=made.facts(), gallery=pictures, cls=cls)
        names = "\n".join(own.name for own in made.at("suspect"))
        return io.NodeOutput(made.with_rarer(dataset, rarer), made.suspects_of(dataset), names, sheet, text, ui=ui)
