"""What leaves the viewer: copied values, exported tables, the report."""
