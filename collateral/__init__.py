"""The collateral file: what a Transformer did on a data set, in one self-contained file.

``collateral.open(path)`` reads one, ``collateral.create(path, ...)`` writes one. The format is
specified in ``format.md`` beside this module. Needs numpy and msgpack only.
"""

from .errors import CollateralError
from .reader import Collateral, open  # noqa: A004 (collateral.open is the interface)
from .schema import (
    AttentionKind,
    Column,
    Encoding,
    Kind,
    Measure,
    Meta,
    Metric,
    ModelInfo,
    TokenInfo,
    Tokens,
)
from .table import Table
from .writer import Writer, create

__all__ = [
    "AttentionKind",
    "Collateral",
    "CollateralError",
    "Column",
    "Encoding",
    "Kind",
    "Measure",
    "Meta",
    "Metric",
    "ModelInfo",
    "Table",
    "TokenInfo",
    "Tokens",
    "Writer",
    "create",
    "open",
]
