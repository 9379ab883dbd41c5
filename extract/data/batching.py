"""Which examples go through a model together: those of like lengths, as padding is time lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

MOST_TOKENS = 1 << 14
"""Tokens of a batch, padding included: what long texts take must not grow with the batch size."""

MAP_BYTES = 1 << 28
"""Bytes of attention maps that a batch may keep until they are written."""


def batches(
    lengths: Sequence[int], size: int, map_bytes: Callable[[int], int]
) -> Iterator[list[int]]:
    """Indices of examples in batches of like lengths: padding is time lost.

    Args:
        lengths: tokens of each example.
        size: most examples of a batch; fewer where they are long or keep large maps.
        map_bytes: bytes of the maps that an example, by its index, keeps.
    """
    batch: list[int] = []
    kept = 0
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        more = map_bytes(i)
        full = len(batch) >= size or (len(batch) + 1) * lengths[i] > MOST_TOKENS
        if batch and (full or kept + more > MAP_BYTES):
            yield batch
            batch, kept = [], 0
        batch.append(i)
        kept += more
    if batch:
        yield batch
