"""A workflow without ComfyUI: reading, validation, execution, and a stand-in for ComfyUI's node schema."""
