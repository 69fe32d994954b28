"""Nodes below ``LoRA Workbench/training``."""

CATEGORY = "LoRA Workbench/training"
