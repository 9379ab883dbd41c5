"""The attention pane: one module per way of showing attention."""

from .pane import AttentionPane

__all__ = ["AttentionPane"]
