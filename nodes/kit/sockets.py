"""The socket types of our nodes. Saved workflows contain their names, so these never change."""

from __future__ import annotations

from ..host import io

Dataset = io.Custom("LW_DATASET")
"""``engine.data.dataset.Dataset``."""
Base = io.Custom("LW_BASE")
"""``engine.models.contract.Backbone``."""
Recipe = io.Custom("LW_RECIPE")
"""``engine.training.recipe.Recipe``."""
Adapter = io.Custom("LW_ADAPTER")
"""``engine.adapters.adapter.Adapter``."""
Snapshots = io.Custom("LW_SNAPSHOTS")
"""``engine.runs.snapshots.Snapshots``."""
Stack = io.Custom("LW_STACK")
"""``engine.adapters.stack.Stack``."""
Embedding = io.Custom("LW_EMBEDDING")
"""``engine.models.word_embeddings.WordEmbedding``."""
LoraStack = io.Custom("LORA_STACK")
"""``list[tuple[str, float, float]]``: file name below the ``loras`` folders, weights for model and text encoder. A
community type, shared with other extensions."""
Batch = io.Custom("LW_BATCH")
"""``Sequence[engine.generation.batch.GeneratedImage]``; ``engine.batches.drawn.DrawnBatch`` if it lies in a folder."""
Jobs = io.Custom("LW_JOBS")
"""``engine.batches.sweep.Sweep``."""
