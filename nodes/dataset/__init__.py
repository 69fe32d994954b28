"""The submenu *data set*, one file per node."""

CATEGORY = "LoRA Workbench/data set"
