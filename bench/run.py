"""Runs the measurements and writes them down.

    python -m bench.run                     # all, into bench/results.md
    python -m bench.run startup --runs 3    # some, printed only
    python -m bench.run --quick             # all on smaller sizes, printed only

A measurement is a module of this folder with a function ``comparisons(runs, quick)`` that yields
:class:`bench.harness.Comparison`; adding its name to :data:`MODULES` is all it takes. What is
promised of speed stands in ``bench.promises``: whether it was kept is told, and no run fails by it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.harness import Comparison, as_markdown, machine, write_results
from bench.promises import summary
from bench.rivals import missing

MODULES: dict[str, tuple[str, ...]] = {
    "startup": (),
    "memory": (),
    "opening": (),
    "layers": ("textual_plotext",),
    "heads": (),
    "whole": ("bertviz",),
    "averages": (),
    "extraction": (),
    "tsne": (),
}
"""The measurements, in the order in which they are run and written, and what each is beside."""

RESULTS = Path(__file__).with_name("results.md")
RUNS, QUICK_RUNS = 7, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen measurements; a full run also writes the results' page."""
    options = _options(arguments)
    chosen = options.what or list(MODULES)
    if absent := missing({name for what in chosen for name in MODULES[what]}):
        print(
            f"bench: {' and '.join(absent)} must be installed to measure beside: `make bench` does "
            "so, or pip install -c constraints.txt --group bench",
            file=sys.stderr,
        )
        return 2
    print(machine(), flush=True)
    found: list[Comparison] = []
    for name in chosen:
        module = importlib.import_module(f"bench.{name}")
        for comparison in module.comparisons(options.runs, options.quick):
            print(f"\n{as_markdown(comparison)}", flush=True)
            found.append(comparison)
    table = summary(found, options.quick, chosen)
    print(f"\n{table}")
    if not options.what and not options.quick:
        write_results(found, RESULTS, table)
        print(f"Written to {RESULTS}")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description="Measure.")
    parser.add_argument("what", nargs="*", help=f"some of {', '.join(MODULES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, in about a minute")
    parser.add_argument("--runs", type=int, help=f"rounds that count (default: {RUNS})")
    options = parser.parse_args(arguments)
    if options.runs is None:
        options.runs = QUICK_RUNS if options.quick else RUNS
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if unknown := [name for name in options.what if name not in MODULES]:
        parser.error(f"there is no measurement {unknown[0]}; there are {', '.join(MODULES)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
