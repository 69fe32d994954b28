"""The settings of a recipe, in groups. Each setting is declared once, here."""

from .adapter import AdapterSettings
from .captions import CaptionSettings
from .circumstances import Circumstances
from .course import MemorySettings, SampleSettings, SavingSettings
from .loss import LossSettings, PriorSettings
from .measuring import MeasuringSettings
from .noise import NoiseSettings
from .optimizing import BatchSettings, OptimizerSettings, ScheduleSettings

__all__ = [
    "AdapterSettings",
    "BatchSettings",
    "CaptionSettings",
    "Circumstances",
    "LossSettings",
    "MeasuringSettings",
    "MemorySettings",
    "NoiseSettings",
    "OptimizerSettings",
    "PriorSettings",
    "SampleSettings",
    "SavingSettings",
    "ScheduleSettings",
]
