"""Nodes below ``LoRA Workbench/data set``."""

CATEGORY = "LoRA Workbench/data set"
