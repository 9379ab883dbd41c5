"""A run: prepared, taken in windows through the model, kept in parts, put together."""
