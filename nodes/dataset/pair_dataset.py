"""The node *Pair Data Set*."""

from __future__ import annotations

from typing import Any

from ..host import host, io
from ..kit import sockets
from ..kit.datasets import in_figures, in_words
from ..kit.galleries import gallery
from ..kit.inputs import problem
from ..kit.shown import shown, tell
from . import CATEGORY


class PairDataset(io.ComfyNode):
    """Load pictures before and after editing as a data set for edit models."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_PairDataset",
            display_name="Pair Data Set",
            category=CATEGORY,
            description="Loads pictures before and after editing, with instructions as captions, to train an edit "
            "model. Pictures without a partner are listed.",
            inputs=[
                io.String.Input(
                    "path",
                    default="",
                    placeholder="my_pairs",
                    tooltip="Folder or .zip with folders such as control and target, with files such as fox_start.png "
                    "and fox_end.png, or with metadata.jsonl. With references: the folder of the results.",
                ),
                io.String.Input(
                    "references",
                    default="",
                    tooltip="Folder or .zip of the pictures before editing, named as the results. Empty: they are in "
                    "path.",
                ),
                io.String.Input(
                    "instruction",
                    default="",
                    multiline=True,
                    tooltip="Instruction of pairs that have none of their own, such as: turn it into a line drawing.",
                ),
                io.Combo.Input(
                    "on_unreadable",
                    options=["skip", "refuse"],
                    default="skip",
                    tooltip="Pairs with a damaged or oversized picture: skip and list them, or stop with an error.",
                ),
            ],
            outputs=[
                sockets.Dataset.Output(
                    "dataset", tooltip="The results with their instructions, each with its picture before editing."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, path: str | None, references: str | None) -> bool | str:
        found = problem(host().dataset_path, path)
        return problem(host().dataset_path, references) if found is True and (references or "").strip() else found

    @classmethod
    def fingerprint_inputs(cls, path: str, references: str, **_: Any) -> list[str]:
        from ...engine.data.trees import folder_fingerprint

        return [folder_fingerprint(host().dataset_path(place)) for place in (path, references) if place.strip()]

    @classmethod
    def execute(cls, path: str, references: str, instruction: str, on_unreadable: Any) -> io.NodeOutput:
        from ...engine.data.pairs import load_pairs

        dataset = load_pairs(
            host().dataset_path(path),
            host().dataset_path(references) if references.strip() else None,
            on_unreadable=on_unreadable,
            instruction=instruction,
        )
        text = in_words(dataset)
        tell(text)
        return io.NodeOutput(dataset, ui=shown(text=text, report=in_figures(dataset), gallery=gallery(dataset)))
