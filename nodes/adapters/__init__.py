"""The submenu *adapters*, one file per node."""

CATEGORY = "LoRA Workbench/adapters"
