"""Nodes below ``LoRA Workbench/adapters``."""

CATEGORY = "LoRA Workbench/adapters"
