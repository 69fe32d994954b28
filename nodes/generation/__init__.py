"""The submenu *generation*, one file per node."""

CATEGORY = "LoRA Workbench/generation"
