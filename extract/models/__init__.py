"""Any model: loading it, its parts, and watching it think."""

from __future__ import annotations

from .loaded import DTYPES, HeadKind, LoadedModel, choose_device, describe, load

__all__ = ["DTYPES", "HeadKind", "LoadedModel", "choose_device", "describe", "load"]
