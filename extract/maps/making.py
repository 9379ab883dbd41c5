"""The maps of all layers, from vectors on disk, in bounded memory and one after another."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from collateral import Writer

from ..progress import Reporter, Silent, stage
from .projection import PHASES, Rows, Settings, chosen_rows, common_start, place, project
from .quality import FloatArray, Quality, layer_quality, neighbours_for, unit_rows
from .vectors import Layer, VectorStore

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Maps:
    """What was found out of all maps.

    Attributes:
        qualities: by name, float32 [layers + 1]: trustworthiness and recall over all points, and
            over the placed ones where there are any; empty for too few points.
        settings: how the maps were made, for the file.
        notes: what must be told with them.
    """

    qualities: dict[str, FloatArray]
    settings: dict[str, str | int | float | bool | None]
    notes: list[str]


def make_maps(
    store: VectorStore,
    settings: Settings,
    write: Callable[[int, FloatArray], None],
    reporter: Reporter | None = None,
    cache: Path | None = None,
) -> Maps:
    """Makes the map of every hidden state, and measures how faithful each is.

    In memory are the vectors of one layer's fitted points, coordinates of all points, and blocks
    of the rest, whatever the number of points.

    Args:
        store: the vectors of all points.
        settings: as from :meth:`Settings.of`.
        write: takes each layer's number and coordinates, float32 [points, 2], in order.
        reporter: hears of every layer.
        cache: folder that keeps finished maps, so that an interrupted run goes on after them; they
            are used again only for the same vectors, settings and versions, and are left there.

    Raises:
        ExtractError: vectors cannot be read, or t-SNE did not come to finite coordinates.
    """
    layers = [store.layer(number) for number in range(store.layers)]
    rows = chosen_rows(store.points, settings)
    finished = [_Finished(cache, key) for key in _keys(layers, settings)]
    start: npt.NDArray[np.float64] | None = None
    found = []
    with stage(reporter or Silent(), "t-SNE by layer", len(layers)) as advance:
        for number, layer in enumerate(layers):
            made = finished[number].load(store.points)
            if made is None:
                if start is None:
                    start = common_start(layers, settings.seed, rows)
                made = _one(layer, rows, start, settings)
                finished[number].save(*made)
            coordinates, measured = made
            write(number, coordinates)
            found.append(measured)
            advance(1)
    named = _named(found, neighbours_for(store.points), placed=len(rows) < store.points)
    return Maps(named, settings.described(store.points), settings.notes(store.points))


def write_maps(
    store: VectorStore,
    settings: Settings,
    writer: Writer,
    cache: Path | None = None,
    reporter: Reporter | None = None,
) -> Maps:
    """Makes the maps and writes them and their qualities; see :func:`make_maps`."""
    maps = make_maps(store, settings, writer.set_coordinates, reporter, cache)
    for name, values in maps.qualities.items():
        writer.set_quality(name, values)
    return maps


def _one(
    layer: Layer, rows: Rows, start: npt.NDArray[np.float64], settings: Settings
) -> tuple[FloatArray, Quality]:
    """Coordinates of all points of a layer, and their quality."""
    coordinates = np.empty((layer.points, 2), dtype=np.float32)
    unit = _unit_sample(layer, rows)
    fitted = project(unit, start, settings)
    coordinates[rows] = fitted
    if len(rows) < layer.points:
        rest = np.ones(layer.points, dtype=bool)
        rest[rows] = False
        for first, chunk in layer.chunks(_ROWS_AT_ONCE):
            here = rest[first : first + len(chunk)]
            at = first + np.flatnonzero(here)
            coordinates[at] = place(unit_rows(chunk[here]), unit, fitted)
    del unit
    k = neighbours_for(layer.points)
    return coordinates, layer_quality(layer, coordinates, k, rows, settings.seed)


def _unit_sample(layer: Layer, rows: Rows) -> FloatArray:
    """Chosen rows scaled to length one, in blocks: no second array of that size is made."""
    unit = np.empty((len(rows), layer.width), dtype=np.float32)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        unit[part] = unit_rows(layer.rows(rows[part]))
    return unit


def _named(found: Sequence[Quality], k: int, *, placed: bool) -> dict[str, FloatArray]:
    if not k:
        return {}
    names = {"trustworthiness": f"trustworthiness@{k}", "recall": f"recall@{k}"}
    if placed:
        names |= {f"placed_{name}": f"placed_{shown}" for name, shown in names.items()}
    return {
        shown: np.array([getattr(one, name) for one in found], dtype=np.float32)
        for name, shown in names.items()
    }


def _keys(layers: Sequence[Layer], settings: Settings) -> list[str]:
    """A name per layer that tells maps of other vectors, settings or versions apart."""
    shared = {
        "settings": asdict(settings),
        "phases": [asdict(phase) for phase in PHASES],
        "points": layers[0].points,
        "width": layers[0].width,
        # of all layers: each map depends on the start that they share
        "vectors": [layer.checksum for layer in layers],
        "versions": [metadata.version(name) for name in ("numpy", "openTSNE", "interpret-tui")],
    }
    digest = hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:16]
    return [f"map-{number}-{digest}.npz" for number in range(len(layers))]


class _Finished:
    """The file of one finished map; a missing, damaged or foreign one is as none."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self._path = None if folder is None else folder / name

    def load(self, points: int) -> tuple[FloatArray, Quality] | None:
        if self._path is None:
            return None
        try:
            with np.load(self._path, allow_pickle=False) as file:
                coordinates = file["coordinates"]
                trust, recall, placed_trust, placed_recall, measured = file["quality"].tolist()
                quality = Quality(trust, recall, placed_trust, placed_recall, int(measured))
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        whole = coordinates.shape == (points, 2) and coordinates.dtype == np.float32
        return (coordinates, quality) if whole and np.isfinite(coordinates).all() else None

    def save(self, coordinates: FloatArray, quality: Quality) -> None:
        """Keeps the map if that is possible: the run does not depend on it."""
        if self._path is None:
            return
        temporary = self._path.with_suffix(".partial")
        try:
            with temporary.open("wb") as file:
                np.savez(file, coordinates=coordinates, quality=np.array(astuple(quality), float))
            os.replace(temporary, self._path)
        except OSError:
            temporary.unlink(missing_ok=True)
