"""Readers of each format: a file to records, one at a time."""

from __future__ import annotations
