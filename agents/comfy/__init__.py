"""A running ComfyUI as the place where an agent's jobs are done, by its own API."""

from __future__ import annotations
