"""Entry point for ComfyUI. Nothing heavy is imported here; the nodes are loaded when ComfyUI asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes.host import ComfyExtension

WEB_DIRECTORY = "./js"


async def comfy_entrypoint() -> ComfyExtension:
    """Give ComfyUI the extension, an object whose ``get_node_list`` names our node classes."""
    from .nodes import NODES
    from .nodes.host import ComfyExtension, host
    from .nodes.routes import ROUTES

    class LoRAWorkbench(ComfyExtension):
        async def on_load(self) -> None:
            host().tidy_up()
            host().add_routes(ROUTES)

        async def get_node_list(self) -> list[type]:
            return list(NODES)

    return LoRAWorkbench()
