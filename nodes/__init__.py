"""The nodes: a schema and a few lines each over the engine. Importing them loads nothing heavy."""

from __future__ import annotations

from .adapters import ApplyStack, LoadAdapter, SaveAdapter, StackAdapters
from .base_models import BaseFromComfy, DemoCheckpoint, LoadBase
from .captions import TriggerCaptions
from .dataset_output import SaveDataset
from .dataset_shapes import Augment, BucketDataset, MaskDataset
from .datasets import DatasetFromImages, LoadDataset, PreviewDataset
from .generation import ComparisonGrid, Generate, SaveImages
from .host import io
from .regularization import RegularizationSet
from .training import Recipe, TrainLoRA

NODES: list[type[io.ComfyNode]] = [
    LoadDataset,
    DatasetFromImages,
    TriggerCaptions,
    PreviewDataset,
    MaskDataset,
    BucketDataset,
    Augment,
    SaveDataset,
    LoadBase,
    BaseFromComfy,
    DemoCheckpoint,
    Recipe,
    RegularizationSet,
    TrainLoRA,
    LoadAdapter,
    StackAdapters,
    ApplyStack,
    SaveAdapter,
    Generate,
    ComparisonGrid,
    SaveImages,
]
"""In the order in which a user meets them."""
