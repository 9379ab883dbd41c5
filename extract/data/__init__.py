"""Data in: files of every format as records, their fields and words, and texts as tokens."""
