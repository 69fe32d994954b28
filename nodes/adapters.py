"""Nodes that load, stack and save adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from . import sockets
from .host import host, io
from .inputs import new_file, or_else, problem
from .lora_stacks import as_stack, contents, linked, named, named_later
from .shown import shown, tell

if TYPE_CHECKING:
    from torch import Tensor

    from ..engine.adapters.adapter import Adapter
    from ..engine.adapters.stack import Stack

    LoraModel: TypeAlias = Mapping[str, Tensor]

CATEGORY = "LoRA Workbench/adapters"
SUFFIX = ".safetensors"


class LoadAdapter(io.ComfyNode):
    """An adapter from a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_LoadAdapter",
            display_name="Load Adapter",
            category=CATEGORY,
            description="Loads a LoRA from a file, one of this project's or of another trainer.",
            inputs=[
                io.Combo.Input(
                    "adapter",
                    options=host().adapter_files(),
                    tooltip="A .safetensors file in the folders for LoRAs; saved adapters are among them.",
                )
            ],
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The adapter; whether it fits a base shows when it is used."),
                io.String.Output(
                    "trigger", tooltip="The trigger phrase that the file names, to put into prompts; may be empty."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, adapter: str | None) -> bool | str:
        return problem(host().adapter_path, adapter)

    @classmethod
    def fingerprint_inputs(cls, adapter: str) -> list[int]:
        status = host().adapter_path(adapter).stat()
        return [status.st_mtime_ns, status.st_size]

    @classmethod
    def execute(cls, adapter: str) -> io.NodeOutput:
        from ..engine.adapters.file_cache import FILES

        with host().computing():
            loaded = FILES.read(host().adapter_path(adapter)).adapter
        called = f"call it with: {loaded.trigger}" if loaded.trigger else "it names no trigger word"
        text = f"{loaded.name}: rank {loaded.rank}, {len(loaded.modules)} modules; {called}"
        tell(text)
        return io.NodeOutput(loaded, loaded.trigger, ui=shown(text=text))


class StackAdapters(io.ComfyNode):
    """One more adapter on a stack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_StackAdapters",
            display_name="Stack Adapters",
            category=CATEGORY,
            description="Puts an adapter with its weights on a stack. Chain several of these for several adapters.",
            inputs=[
                adapter_input("The adapter to put on the stack."),
                _weight("weight", "How strongly the adapter changes the pictures: 0 not at all, 1 as trained."),
                _weight(
                    "text_encoder_weight",
                    "The same for the adapter's text-encoder part; without effect where it has none.",
                ),
                io.Boolean.Input(
                    "enabled", default=True, tooltip="Switch the adapter off without taking the node out of the graph."
                ),
                sockets.Stack.Input("stack", optional=True, tooltip="The stack to add to; empty begins a new one."),
                sockets.LoraStack.Input(
                    "lora_stack", optional=True, tooltip="Files that another extension has stacked; they go below."
                ),
            ],
            outputs=[
                sockets.Stack.Output("stack", tooltip="The stack with this adapter at its end."),
                io.String.Output("triggers", tooltip="Trigger phrases of all adapters that are on, joined by commas."),
                sockets.LoraStack.Output(
                    "lora_stack",
                    tooltip="The same for other extensions, as names of files. If this is linked, adapters that aren't "
                    "files in the LoRA folders yet are saved there.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    def execute(
        cls,
        adapter: Adapter | LoraModel,
        weight: float,
        text_encoder_weight: float,
        enabled: bool,
        stack: Stack | None = None,
        lora_stack: Any = None,
    ) -> io.NodeOutput:
        from ..engine.adapters.stack import Stack, StackEntry

        below = as_stack(lora_stack)
        entry = StackEntry(as_adapter(adapter), weight, text_encoder_weight, enabled)
        extended = Stack((*below.entries, *(stack or Stack()).entries, entry))
        names, files = named(extended) if linked(cls, "lora_stack") else (named_later(extended), [])
        text = "\n".join([*extended.warnings(), *(f"saved for lora_stack: {file}" for file in files)])
        tell(text)
        return io.NodeOutput(
            extended, ", ".join(extended.triggers()), names, ui={**shown(text=text), **saved_adapters(files)}
        )


class ApplyStack(io.ComfyNode):
    """Adapters on a model that ComfyUI has loaded."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_ApplyStack",
            display_name="Apply Stack",
            category=CATEGORY,
            description="Puts a stack of adapters on a model that ComfyUI has loaded, for KSampler and other nodes. "
            "Each weight is computed once, however many adapters there are, and each file is read once.",
            inputs=[
                io.Model.Input("model", tooltip="The diffusion model; it stays as it is."),
                io.Clip.Input(
                    "clip", optional=True, tooltip="The text encoder, for adapters that change it; it stays as it is."
                ),
                sockets.Stack.Input("stack", optional=True, tooltip="Adapters with weights, from Stack Adapters."),
                sockets.LoraStack.Input(
                    "lora_stack",
                    optional=True,
                    tooltip="Files with weights, from another extension; DoRA, LoHa, LoKr and OFT are fine here too.",
                ),
            ],
            outputs=[
                io.Model.Output("model", tooltip="The model with all adapters."),
                io.Clip.Output("clip", tooltip="The text encoder with all adapters; nothing if none came in."),
                io.String.Output("triggers", tooltip="Trigger phrases of all adapters that are on, joined by commas."),
            ],
        )

    @classmethod
    def execute(cls, model: Any, clip: Any = None, stack: Stack | None = None, lora_stack: Any = None) -> io.NodeOutput:
        from ..engine.adapters.stack import Stack

        native = host().native()
        with host().computing():
            below, others = contents(lora_stack)
            whole = Stack((*below.entries, *(stack or Stack()).entries))
            model, clip, report = native.with_stack(model, clip, whole, others)
        triggers = dict.fromkeys([*whole.triggers(), *(other.file.trigger for other in others if other.file.trigger)])
        text = "\n".join([report.summary(), *whole.warnings(), *report.warnings])
        tell(text)
        return io.NodeOutput(model, clip, ", ".join(triggers), ui=shown(text=text))


class SaveAdapter(io.ComfyNode):
    """An adapter as a file that other programs load."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveAdapter",
            display_name="Save Adapter",
            category=CATEGORY,
            description="Saves an adapter with all that is known about it in loras/ below the output folder. A "
            "file that holds another adapter is never replaced.",
            inputs=[
                adapter_input("The adapter to save."),
                io.String.Input(
                    "filename",
                    default="",
                    tooltip="Name without ending, perhaps with sub-folders; empty takes the adapter's name. If "
                    "another adapter has the name, a number is added.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=["float16", "float32"],
                    default="float16",
                    tooltip="Number format in the file. float16 halves the size; float32 keeps every digit.",
                ),
            ],
            outputs=[io.String.Output("path", tooltip="Full path of the file.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, adapter: Adapter | LoraModel, filename: str, dtype: Any) -> io.NodeOutput:
        from ..engine.adapters.keeping import keep

        adapter = as_adapter(adapter)
        name = or_else(filename.strip().removesuffix(SUFFIX), adapter.name)
        kept = keep(adapter, new_file(host().adapter_directory(), name), dtype=dtype)
        place = kept.path.relative_to(host().output_directory()).as_posix()
        text = f"{'saved' if kept.written else 'there already'}: {place}"
        tell(text)
        report = {"name": adapter.name, "path": place, "trigger": adapter.trigger, "written": kept.written}
        return io.NodeOutput(
            str(kept.path),
            ui={**shown(text=text, report=report), **saved_adapters([place])},
        )


def adapter_input(tooltip: str) -> io.Input:
    """An adapter of ours or of core's trainer."""
    return io.MultiType.Input("adapter", types=[sockets.Adapter, io.LoraModel], tooltip=tooltip)


def as_adapter(value: Adapter | LoraModel) -> Adapter:
    """What came through :func:`adapter_input`.

    Raises:
        AdapterError: a state dict that holds more than a LoRA.
    """
    from ..engine.adapters.adapter import Adapter
    from ..engine.adapters.files import adapter_from_tensors

    return value if isinstance(value, Adapter) else adapter_from_tensors(value, name="lora_model")


def saved_adapters(files: Sequence[str]) -> dict[str, Any]:
    """The part of a node's ``ui`` that names the adapter files it saved, by their paths below the output folder."""
    return {"lw_files": [{"path": file, "kind": "adapter"} for file in files]} if files else {}


def _weight(name: str, tooltip: str) -> io.Input:
    return io.Float.Input(
        name, default=1.0, min=-10.0, max=10.0, step=0.05,
        tooltip=f"{tooltip} Usual are 0.5 to 1; negative ones push the other way.",
    )  # fmt: skip
