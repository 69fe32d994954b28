"""Folders that come with the project."""

from __future__ import annotations

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
"""The folder of the extension."""

ASSETS = PROJECT_ROOT / "assets"

DEMO_BASE = ASSETS / "demo_base"
"""The base model that comes with the project: a miniature of SD1.x, made for tests and demos."""
