"""Run by ComfyUI's own Python: which of the names that we use it lacks."""

from __future__ import annotations

from comfyui_process import main


def missing() -> list[tuple[str, str]]:
    from lora_workbench.nodes.native import seam

    return [tuple(name) for name in seam.missing()]


if __name__ == "__main__":
    main({"missing": missing})
