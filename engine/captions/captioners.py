"""The known captioners, registered."""

from __future__ import annotations

from . import registry
from .blip import Blip
from .florence2 import Florence2
from .hub_folder import model_type
from .qwen_vl import QwenVL
from .tagger import Tagger, is_tagger

registry.register(Blip, recognizes=lambda folder: model_type(folder) == "blip")
registry.register(Florence2, recognizes=lambda folder: model_type(folder) == "florence2")
registry.register(QwenVL, recognizes=lambda folder: model_type(folder) in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"))
registry.register(Tagger, recognizes=is_tagger)

open_captioner = registry.open_captioner
