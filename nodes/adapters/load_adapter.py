"""The node *Load Adapter*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.adapters import about
from ..kit.inputs import ADVANCED, problem
from ..kit.shown import shown, tell
from ..kit.vault import about_card, load, only_match, state_of
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.vault.card import Card


class LoadAdapter(io.ComfyNode):
    """Load an adapter from a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_LoadAdapter",
            display_name="Load Adapter",
            category=CATEGORY,
            description="Loads an adapter, trained here or elsewhere: LoRA and other kinds, from a file or a folder of "
            "PEFT's, with its trigger words, also those that other programs keep beside it.",
            inputs=[
                io.Combo.Input(
                    "adapter",
                    options=host().adapter_files(),
                    tooltip="A .safetensors file in the LoRA folders, including those saved by Save Adapter, or a "
                    "folder that PEFT saved there.",
                ),
                io.String.Input(
                    "search",
                    default="",
                    optional=True,
                    extra_dict=ADVANCED,
                    tooltip="Words and filters, such as fox family:sdxl rank:16 trigger:ohwx: the one adapter that "
                    "fits them is loaded instead of the chosen one. Words may stand in its name, trigger phrases, base "
                    "model, family and notes.",
                ),
            ],
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The adapter. Its fit to a base model is checked on use."),
                io.String.Output(
                    "trigger",
                    tooltip="Trigger phrase for prompts, from the file's metadata or from what other programs keep "
                    "beside it; empty if there is none.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, adapter: str | None, search: str | None = None) -> bool | str:
        if search and search.strip():
            return problem(_checked, search)
        return problem(host().adapter_path, adapter)

    @classmethod
    def fingerprint_inputs(cls, adapter: str, search: str = "") -> list[Any]:
        name = _name(adapter, search)
        return [name, state_of(host().adapter_path(name))]

    @classmethod
    def execute(cls, adapter: str, search: str = "") -> io.NodeOutput:
        loaded, card = load(_name(adapter, search))
        text = "\n".join([f"{loaded.name}: {loaded.description}; {_triggers(card)}", *about_card(card), *about(loaded)])
        tell(text)
        return io.NodeOutput(loaded, loaded.trigger, ui=shown(text=text))


def _name(adapter: str, search: str) -> str:
    """The adapter to load, by its name below the folders."""
    return only_match(search) if search.strip() else adapter.strip().replace("\\", "/")


def _checked(search: str) -> None:
    from ...engine.vault.searching import Query

    Query.of(search)


def _triggers(card: Card) -> str:
    if not card.triggers:
        return "no trigger phrase in the file or beside it"
    return f"trigger phrase: {'; or: '.join(card.triggers)} (told by {card.told_by})"
