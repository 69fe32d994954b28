"""The submenu *training*, one file per node."""

CATEGORY = "LoRA Workbench/training"
