"""What a node shows: messages while it runs, and the ``ui`` part of its output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.core.events import Message
from ..host import host, ui

if TYPE_CHECKING:
    from torch import Tensor


def tell(text: str) -> None:
    """Show a message for the running node; nothing for an empty one."""
    if text:
        host().reporter()(Message(text=text))


def shown(
    *,
    text: str = "",
    preview: Tensor | None = None,
    report: dict[str, Any] | None = None,
    gallery: dict[str, Any] | None = None,
    cls: type[Any] | None = None,
) -> dict[str, Any]:
    """The ``ui`` part of a node's output.

    Args:
        text: for the node's text display.
        preview: pictures (B, H, W, 3) for the node's picture display.
        report: plain values for programs that run the graph.
        gallery: what :func:`.galleries.gallery` gives.
        cls: the node class as ``execute`` gets it; its graph is saved in the previews.
    """
    parts: dict[str, Any] = {}
    if preview is not None:
        parts |= ui.PreviewImage(preview, cls=cls).as_dict()
    if text:
        parts |= ui.PreviewText(text).as_dict()
    if report is not None:
        parts["lw_report"] = [report]
    if gallery is not None:
        parts["lw_dataset"] = [gallery]
    return parts
