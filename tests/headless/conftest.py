"""The small nodes, as fixtures."""

from small_nodes import calls, registry, workflow_file

__all__ = ["calls", "registry", "workflow_file"]
