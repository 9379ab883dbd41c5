"""Adding rows to the tables of a file that is being written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import cells, layout, many, sections
from .begun import Begun, about
from .rows import check_size
from .schema import Tokens


class Adding(Begun):
    """The part of ``Writer`` that takes examples, points, pairs and items."""

    # -- rows -------------------------------------------------------------------------------

    def add_example(
        self,
        example_id: str,
        text: str,
        tokens: Tokens,
        source_tokens: int | None = None,
        **values: Any,
    ) -> int:
        """Adds the next example and returns its row.

        Args:
            example_id: its id, which no other example has.
            text: its text.
            tokens: its tokens; those of an encoder-decoder's source first, then the target's.
            source_tokens: how many of them are the source's; None if there is no source and no
                target, which is so for all examples of a file or for none.
            values: column name to value; a column without one is unknown.

        Raises:
            ValueError: the id was used before, the tokens contradict each other or the text, or a
                value does not fit its column.
        """
        self._checkpoint()
        where = f"example {example_id!r}"
        self._rows.check_id("examples", example_id)
        with about(where):
            self._rows.lengths.check_source(len(tokens), source_tokens)
        entry = cells.token_entry(where, text, tokens)
        packed = layout.pack(entry)
        check_size(where, len(packed))
        row = self._rows.add("examples", where, {**values, "id": example_id, "text": text})
        self._digests["data"].update(layout.pack([example_id, text]))
        self._digests["tokens"].update(layout.pack(entry[:2]))
        self._sections["tokens"].append(entry, len(packed))
        self._rows.lengths.add(len(tokens), source_tokens)
        if source_tokens is not None:
            self._optional(sections.SOURCE).append(int(source_tokens))
        return row

    def add_point(
        self, example_row: int, token_start: int, token_stop: int, text: str, **values: Any
    ) -> int:
        """Adds the next point (tokens ``token_start`` to ``token_stop`` of an example); its row.

        Raises:
            ValueError: no such example or tokens, an example before that of the last point, or a
                value does not fit its column.
        """
        where = f"point {self._rows.counts['points']}"
        self._rows.check_span(where, example_row, token_start, token_stop)
        self._rows.check_order("points", where, example_row)
        place = [int(example_row), int(token_start), int(token_stop)]
        row = self._rows.add("points", where, {**values, "text": text}, place[0])
        self._digests["points"].update(layout.pack(place))
        self._sections["points/@example"].append(place[0])
        self._sections["points/@tokens"].append(place[1:])
        return row

    def add_pair(
        self,
        pair_id: str,
        example_row: int,
        span1_tokens: tuple[int, int],
        span2_tokens: tuple[int, int],
        span1_points: tuple[int, int],
        span2_points: tuple[int, int],
        **values: Any,
    ) -> int:
        """Adds the next pair of spans (half-open ranges of tokens and of points); its row.

        Raises:
            ValueError: the id was used before, no such example, tokens or points, an example before
                that of the last pair, or a value does not fit its column.
        """
        where = f"pair {pair_id!r}"
        self._rows.check_id("pairs", pair_id)
        for start, stop in (span1_tokens, span2_tokens):
            self._rows.check_span(where, example_row, start, stop)
        self._rows.check_order("pairs", where, example_row)
        for start, stop in (span1_points, span2_points):
            if not 0 <= start < stop <= self._rows.counts["points"]:
                raise ValueError(f"{where}: there are no points {start} to {stop}")
        spans = [int(n) for n in (example_row, *span1_tokens, *span2_tokens)]
        row = self._rows.add("pairs", where, {**values, "id": pair_id}, spans[0])
        self._digests["pairs"].update(layout.pack([pair_id, *spans]))
        self._sections["pairs/@example"].append(spans[0])
        self._sections["pairs/@tokens"].append(spans[1:])
        self._sections["pairs/@points"].append([*map(int, span1_points), *map(int, span2_points)])
        return row

    def add_item(
        self, example_row: int, token_start: int, token_stop: int, text: str = "", **values: Any
    ) -> int:
        """Adds the next item (a word, a label, a token: see ``Meta.item``); its row.

        Its tokens are ``token_start`` to ``token_stop`` of its example; 0 and 0 if it has none.

        Raises:
            ValueError: the file has no table of items, no such example or tokens, an example before
                that of the last item, or a value does not fit its column.
        """
        where = f"item {self._rows.counts['items']}"
        if "items" not in self._rows.columns:
            raise ValueError(f"{where}: the file was created without items")
        self._rows.check_example(where, example_row)
        if (token_start, token_stop) != (0, 0):
            self._rows.check_span(where, example_row, token_start, token_stop)
        self._rows.check_order("items", where, example_row)
        row = self._rows.add("items", where, {**values, "text": text}, int(example_row))
        self._sections["items/@example"].append(int(example_row))
        self._sections["items/@tokens"].append([int(token_start), int(token_stop)])
        return row

    # -- many rows --------------------------------------------------------------------------

    def add_points(
        self,
        example_rows: Sequence[int],
        tokens: Sequence[Sequence[int]],
        values: Mapping[str, Sequence[Any]],
    ) -> int:
        """Adds many points as :meth:`add_point` adds one; the first one's row.

        Args:
            example_rows: the example of each.
            tokens: start and stop of each.
            values: column, "text" among them, to a value for each.

        Raises:
            ValueError: as :meth:`add_point`; nothing was added.
        """
        return many.add_points(
            self._rows, self._sections, self._digests["points"], example_rows, tokens, values
        )

    def add_pairs(
        self,
        pair_ids: Sequence[str],
        example_rows: Sequence[int],
        span_tokens: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]],
        span_points: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]],
        values: Mapping[str, Sequence[Any]],
    ) -> int:
        """Adds many pairs as :meth:`add_pair` adds one; the first one's row.

        Args:
            pair_ids: the name of each.
            example_rows: the example of each.
            span_tokens: tokens of each pair's span 1, and of each pair's span 2.
            span_points: likewise points.
            values: column to a value for each.

        Raises:
            ValueError: as :meth:`add_pair`; nothing was added.
        """
        return many.add_pairs(
            self._rows,
            self._sections,
            self._digests["pairs"],
            pair_ids,
            example_rows,
            span_tokens,
            span_points,
            values,
        )

    def add_items(
        self,
        example_rows: Sequence[int],
        tokens: Sequence[Sequence[int]],
        values: Mapping[str, Sequence[Any]],
    ) -> int:
        """Adds many items as :meth:`add_item` adds one; the first one's row.

        Raises:
            ValueError: as :meth:`add_item`; nothing was added.
        """
        return many.add_items(self._rows, self._sections, example_rows, tokens, values)
