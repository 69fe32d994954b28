"""Trained words as files that ComfyUI, diffusers and other programs load."""
