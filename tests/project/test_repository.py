"""The repository itself: links that lead somewhere, one way to test, no file that is too large."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def tracked(repository: Path, *patterns: str) -> list[Path]:
    """Files that git tracks, by pattern; skips where the tests run outside a clone."""
    if not (repository / ".git").exists():
        pytest.skip("not a git clone")
    listing = subprocess.run(
        ["git", "ls-files", "-z", *patterns],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    return [repository / name for name in listing.stdout.split("\0") if name]


def anchors(page: Path) -> set[str]:
    """What ``#...`` may name in a page: its headings, as hosts of repositories spell them."""
    headings = re.findall(r"^#+ +(.+?) *#*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in words}


def broken_links(page: Path) -> list[str]:
    """Relative links in a Markdown page that lead to no file, or to no heading in one."""
    broken = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def test_relative_links_in_pages_lead_to_files(repository: Path) -> None:
    pages = tracked(repository, "*.md")
    assert repository / "README.md" in pages
    broken = {str(p.relative_to(repository)): broken_links(p) for p in pages if p.exists()}
    assert {page: links for page, links in broken.items() if links} == {}


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `part`, two\n[here](page.md#a-part-two) [and](#a-part-two) [web](https://example.org)"
        " [gone](nowhere.md) ![picture](no.png) [none](#another)"
    )
    assert broken_links(page) == ["nowhere.md", "no.png", "#another"]


def test_continuous_integration_runs_what_people_run(repository: Path) -> None:
    script = repository / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("exec make test")


def test_no_tracked_file_is_larger_than_the_demo_may_be(repository: Path) -> None:
    sizes = {p.name: p.stat().st_size for p in tracked(repository) if p.is_file()}
    assert {name: size for name, size in sizes.items() if size > 10_000_000} == {}


def test_weights_are_not_tracked(repository: Path) -> None:
    kinds = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.pkl", "*.onnx")
    assert tracked(repository, *kinds) == []
