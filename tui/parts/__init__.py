"""What panes are made of, where one module would be too much; still no widget in it."""
