"""Base models as files: single-file checkpoints, and diffusers folders."""
