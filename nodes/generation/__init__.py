"""Nodes below ``LoRA Workbench/generation``."""

CATEGORY = "LoRA Workbench/generation"
