"""The nodes: a schema and a few lines each over the engine. Importing them loads nothing heavy."""

from __future__ import annotations

from .adapters import ApplyStack, LoadAdapter, SaveAdapter, StackAdapters
from .base_models import BaseFromComfy, DemoCheckpoint, LoadBase
from .captioning import CaptionDataset
from .captions import CaptionsFromText, EditCaptions, TriggerCaptions
from .dataset_output import SaveDataset
from .dataset_shapes import Augment, BucketDataset, MaskDataset
from .datasets import DatasetFromImages, LoadDataset, PreviewDataset
from .generation import ComparisonGrid, Generate, SaveImages
from .host import io
from .inspection import CurateDataset, InspectDataset
from .regularization import RegularizationSet
from .training.recipe import Recipe
from .training.recipe_groups import RECIPE_NODES
from .training.train_lora import TrainLoRA
from .trigger_word import TriggerWord

NODES: list[type[io.ComfyNode]] = [
    LoadDataset,
    DatasetFromImages,
    CaptionDataset,
    CaptionsFromText,
    TriggerWord,
    TriggerCaptions,
    EditCaptions,
    PreviewDataset,
    InspectDataset,
    CurateDataset,
    MaskDataset,
    BucketDataset,
    Augment,
    SaveDataset,
    LoadBase,
    BaseFromComfy,
    DemoCheckpoint,
    Recipe,
    *RECIPE_NODES,
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
