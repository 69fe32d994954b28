"""Run by ComfyUI's own Python: what ComfyUI says of its own nodes."""

from __future__ import annotations

from typing import Any

from comfyui_process import main


def describe(*names: str) -> dict[str, Any]:
    import nodes

    described = {}
    for name in names:
        node = nodes.NODE_CLASS_MAPPINGS[name]
        inputs = node.INPUT_TYPES()["required"]
        kinds = {key: "COMBO" if isinstance(spec[0], (list, tuple)) else spec[0] for key, spec in inputs.items()}
        outputs = getattr(node, "RETURN_NAMES", node.RETURN_TYPES)
        described[name] = {
            "inputs": [[key, kind] for key, kind in kinds.items()],
            "outputs": [list(pair) for pair in zip(node.RETURN_TYPES, outputs, strict=True)],
            "options": {key: list(inputs[key][0]) for key, kind in kinds.items() if kind == "COMBO"},
        }
    return described


if __name__ == "__main__":
    main({"describe": describe})
