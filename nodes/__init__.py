"""The nodes: a schema and a few lines each over the engine. Importing them loads nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .adapters.apply_stack import ApplyStack
from .adapters.bake_stack import BakeStack
from .adapters.combine_adapters import CombineAdapters
from .adapters.compare_snapshots import CompareSnapshots
from .adapters.extract_adapter import ExtractAdapter
from .adapters.inspect_adapter import InspectAdapter
from .adapters.load_adapter import LoadAdapter
from .adapters.mask_adapter import MaskAdapter
from .adapters.merge_adapters import MergeAdapters
from .adapters.pick_snapshot import PickSnapshot
from .adapters.resize_adapter import ResizeAdapter
from .adapters.save_adapter import SaveAdapter
from .adapters.save_snapshots import SaveSnapshots
from .adapters.schedule_adapter import ScheduleAdapter
from .adapters.stack import StackRows
from .adapters.stack_adapters import StackAdapters
from .adapters.stack_report import StackReport
from .adapters.subtract_adapters import SubtractAdapters
from .captions.caption_dataset import CaptionDataset
from .captions.captions_from_text import CaptionsFromText
from .captions.edit_captions import EditCaptions
from .captions.trigger_captions import TriggerCaptions
from .captions.trigger_word import TriggerWord
from .dataset.augment import Augment
from .dataset.bucket_dataset import BucketDataset
from .dataset.curate_dataset import CurateDataset
from .dataset.dataset_from_images import DatasetFromImages
from .dataset.inspect_dataset import InspectDataset
from .dataset.join_datasets import JoinDatasets
from .dataset.load_dataset import LoadDataset
from .dataset.mask_dataset import MaskDataset
from .dataset.pair_dataset import PairDataset
from .dataset.preview_dataset import PreviewDataset
from .dataset.regularization_set import RegularizationSet
from .dataset.save_dataset import SaveDataset
from .generation.batch_grid import BatchGrid
from .generation.comparison_grid import ComparisonGrid
from .generation.generate import Generate
from .generation.generate_batch import GenerateBatch
from .generation.prompt import Prompt
from .generation.prompt_matrix import PromptMatrix
from .generation.save_images import SaveImages
from .generation.sweep import Sweep
from .generation.unroll_jobs import UnrollJobs
from .host import io
from .training.base_from_comfy import BaseFromComfy
from .training.companion import Companion
from .training.demo_checkpoint import DemoCheckpoint
from .training.load_base import LoadBase
from .training.load_embedding import LoadEmbedding
from .training.picture_board import PictureBoard
from .training.plan_slider import PlanSlider
from .training.plan_training import PlanTraining
from .training.recipe import Recipe
from .training.recipe_groups import RECIPE_NODES
from .training.run_report import RunReport
from .training.save_base import SaveBase
from .training.save_embedding import SaveEmbedding
from .training.train_dreambooth import TrainDreamBooth
from .training.train_embedding import TrainEmbedding
from .training.train_lora import TrainLoRA
from .training.train_remote import TrainRemote
from .training.train_slider import TrainSlider

if TYPE_CHECKING:
    from ..headless.workflow import Registry

NODES: list[type[io.ComfyNode]] = [
    LoadDataset,
    DatasetFromImages,
    PairDataset,
    JoinDatasets,
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
    Companion,
    PlanTraining,
    PlanSlider,
    PictureBoard,
    TrainLoRA,
    TrainSlider,
    TrainRemote,
    TrainDreamBooth,
    SaveBase,
    TrainEmbedding,
    SaveEmbedding,
    LoadEmbedding,
    ExtractAdapter,
    LoadAdapter,
    StackRows,
    InspectAdapter,
    StackAdapters,
    StackReport,
    CombineAdapters,
    ScheduleAdapter,
    MaskAdapter,
    ApplyStack,
    MergeAdapters,
    ResizeAdapter,
    SubtractAdapters,
    BakeStack,
    SaveAdapter,
    CompareSnapshots,
    PickSnapshot,
    SaveSnapshots,
    RunReport,
    Prompt,
    Generate,
    ComparisonGrid,
    PromptMatrix,
    Sweep,
    GenerateBatch,
    BatchGrid,
    UnrollJobs,
    SaveImages,
]
"""In the order in which a user meets them."""


def registry() -> Registry:
    """All of them by id."""
    return {node.GET_SCHEMA().node_id: node for node in NODES}
