"""The types of values that our nodes exchange. Their names are fixed: saved workflows hold them."""

from __future__ import annotations

from ..host import io

Dataset = io.Custom("LW_DATASET")
"""``engine.data.dataset.Dataset``."""
Base = io.Custom("LW_BASE")
"""``engine.backbones.contract.Backbone``."""
Recipe = io.Custom("LW_RECIPE")
"""``engine.training.recipe.Recipe``."""
Adapter = io.Custom("LW_ADAPTER")
"""``engine.adapters.adapter.Adapter``."""
Stack = io.Custom("LW_STACK")
"""``engine.adapters.stack.Stack``."""
LoraStack = io.Custom("LORA_STACK")
"""``list[tuple[str, float, float]]``: name below the ``loras`` folders, weights of model and text encoder. The
community's: other extensions give and take it too."""
Batch = io.Custom("LW_BATCH")
"""``list[engine.generation.batch.GeneratedImage]``."""
