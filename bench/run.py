"""Runs the measurements and writes them down.

    python -m bench.run                     # all, into bench/results.md
    python -m bench.run startup --runs 3    # some, printed only

A measurement is a module of this folder with a function ``comparisons(runs)`` that yields
:class:`bench.harness.Comparison`; adding its name to :data:`MODULES` is all it takes.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.harness import as_markdown, machine, write_results

MODULES = ("startup", "opening", "extraction", "tsne")
"""The measurements, in the order in which they are run and written."""

RESULTS = Path(__file__).with_name("results.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen measurements; a full run also writes the results' page."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description="Measure.")
    parser.add_argument("what", nargs="*", help=f"some of {', '.join(MODULES)} (default: all)")
    parser.add_argument("--runs", type=int, default=7, help="rounds that count (default: 7)")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if unknown := [name for name in options.what if name not in MODULES]:
        parser.error(f"there is no measurement {unknown[0]}; there are {', '.join(MODULES)}")
    print(machine(), flush=True)
    found = []
    for name in options.what or MODULES:
        for comparison in importlib.import_module(f"bench.{name}").comparisons(options.runs):
            print(f"\n{as_markdown(comparison)}", flush=True)
            found.append(comparison)
    if not options.what:
        write_results(found, RESULTS)
        print(f"Written to {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
