"""The node *Save Adapter*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.adapters import adapter_input, as_adapter, saved_adapters
from ..kit.files import below_output, new_file
from ..kit.inputs import ADVANCED, or_else
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.adapter import Adapter
    from ...engine.adapters.converting import Form
    from ...engine.adapters.renaming import Naming
    from ...engine.models.contract import Backbone
    from ..kit.adapters import LoraModel


class SaveAdapter(io.ComfyNode):
    """Save an adapter as a file that other programs load."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveAdapter",
            display_name="Save Adapter",
            category=CATEGORY,
            description="Saves an adapter with its metadata to loras/ in the output folder. Never overwrites another "
            "adapter.",
            inputs=[
                adapter_input("Adapter to save; a LORA_MODEL works too."),
                io.String.Input(
                    "filename",
                    default="",
                    tooltip="File name without extension; may include sub-folders. Empty: the adapter's name. If "
                    "another adapter has it, a number is added.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=["float16", "float32"],
                    default="float16",
                    tooltip="dtype of the saved weights. float16 halves the file size; float32 is exact.",
                ),
                io.Boolean.Input(
                    "private",
                    default=False,
                    optional=True,
                    tooltip="Leave captions, names of pictures, folders and base model, sample prompts and the "
                    "workflow out of the file, so that it can be given to others.",
                ),
                io.Combo.Input(
                    "save_as",
                    options=["as it is", "ComfyUI", "other programs", "plain LoRA"],
                    default="as it is",
                    optional=True,
                    tooltip="Adapters trained here are right in ComfyUI as they are. ComfyUI: makes those of others "
                    "right in its own loaders, too. other programs: as LyCORIS, sd-scripts and A1111 compute DoRA. "
                    "plain LoRA: for programs that know nothing else, such as diffusers, with the error shown.",
                ),
                io.Int.Input(
                    "rank",
                    default=64,
                    min=1,
                    max=1024,
                    optional=True,
                    extra_dict=ADVANCED,
                    tooltip="Rank of layers that become a plain LoRA, at most. LoHa is exact from the square of its "
                    "rank on; DoRA and OFT get nearer with more. Usually 32 to 128.",
                ),
                sockets.Base.Input(
                    "base",
                    optional=True,
                    tooltip="Base model of the adapter: needed to write DoRA for other programs, or DoRA and OFT as "
                    "a plain LoRA; and for names of layers that the file doesn't have.",
                ),
                io.Combo.Input(
                    "names",
                    options=["as it is", "kohya", "diffusers", "ComfyUI"],
                    default="as it is",
                    optional=True,
                    extra_dict=ADVANCED,
                    tooltip="Names of layers in the file; what it does stays the same. as it is: what most programs "
                    "read for its family. kohya: lora_unet_…. diffusers: unet.… or transformer.…, as PEFT. ComfyUI: "
                    "diffusion_model.…; needs the base model.",
                ),
            ],
            outputs=[io.String.Output("path", tooltip="Full path of the saved file.")],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        adapter: Adapter | LoraModel,
        filename: str,
        dtype: Any,
        private: bool = False,
        save_as: Form = "as it is",
        rank: int = 64,
        base: Backbone | None = None,
        names: Naming = "as it is",
    ) -> io.NodeOutput:
        from ...engine.adapters.converting import converted, remarks
        from ...engine.adapters.keeping import keep
        from ...engine.adapters.renaming import renamed, unread

        made = host().drive(converted(as_adapter(adapter), save_as, base=base, rank=rank))
        adapter = renamed(made.adapter, names, base)
        name = or_else(filename.strip().removesuffix(".safetensors"), adapter.name)
        kept = keep(adapter, new_file(host().adapter_directory(), name), dtype=dtype, without_data=private)
        place = below_output(kept.path)
        saved = f"{'saved' if kept.written else 'already saved'}: {place}"
        text = "\n".join([saved, *filter(None, [str(made), unread(adapter, names)]), *remarks(adapter)])
        tell(text)
        report = {
            "name": adapter.name, "path": place, "adapter": host().adapter_name(kept.path), "trigger": adapter.trigger,
            "written": kept.written,
        }  # fmt: skip
        report |= made.report()
        return io.NodeOutput(str(kept.path), ui={**shown(text=text, report=report), **saved_adapters([place])})
