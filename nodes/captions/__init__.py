"""The submenu *captions*, one file per node."""

CATEGORY = "LoRA Workbench/captions"
