"""Files that several tests of the command line look at."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.collateral.simple import a_meta, a_writer, some_tokens, uniform
from tests.factory import write_collateral


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_collateral(tmp_path_factory.mktemp("cli") / "toy.msgpack", examples=10)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose texts try to control the terminal, with unknown and undefined values."""
    path = tmp_path_factory.mktemp("cli") / "odd.msgpack"
    evil = '\x1b[2J\x9b31m\u202eevil\0"quoted", and\nmore'
    with a_writer(path, meta=a_meta(task=evil, notes=(evil, "")), metrics=[]) as writer:
        writer.add_example(evil, evil, some_tokens(4), label=evil, number=math.nan, flag=None)
        writer.add_example("b:c", "", some_tokens(0), number=-math.inf, flag=True)
        writer.add_point(0, 0, 1, evil)
        writer.add_pair("p", 0, (0, 1), (1, 2), (0, 1), (0, 1))
        writer.append_distances("cosine", [[0.1, math.nan, 1e-30]])
        writer.set_coordinates(1, [[0.5, -2.0]])
        writer.add_attention(0, uniform(4), encoding="uint8")
    return path
