"""Thin Textual widgets around the pure panes and lines."""
