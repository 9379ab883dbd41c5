"""The usage in the package's docstring runs as it stands."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import collateral
from tests.factory import write_collateral


def test_the_docstring_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_collateral("tuned.msgpack", examples=40, shift=1.0)
    assert collateral.__doc__ is not None
    blocks = re.findall(r"\n\n((?:    .*\n|\n)+)", collateral.__doc__)
    assert len(blocks) == 3
    scope: dict[str, Any] = {}
    for block in blocks:
        exec(textwrap.dedent(block), scope)
    scope["c"].close()
    assert scope["mean"].units > 0
    assert np.isfinite(scope["gap"].low).all()
    with collateral.open("mine.msgpack") as c:
        assert c.attention("first").shape == (2, 4, 2, 2)
        assert list(c.verify()) == []


def test_all_that_is_offered_is_there() -> None:
    for name in collateral.__all__:
        item = getattr(collateral, name)
        if inspect.isclass(item) or inspect.isfunction(item):
            assert item.__doc__, name
