"""What needs ComfyUI itself: its loaded models as base models, and adapters on them. Reached by ``host.native()``."""
