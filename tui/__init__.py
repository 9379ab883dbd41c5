"""The terminal viewer of interpret-tui."""
