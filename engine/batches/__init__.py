"""Batches: many pictures of one base model over prompts, seeds, adapters and settings, each drawn once."""
