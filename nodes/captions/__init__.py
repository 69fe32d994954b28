"""Nodes below ``LoRA Workbench/captions``."""

CATEGORY = "LoRA Workbench/captions"
