"""Pictures as pure functions: arrays and a size in, a `Canvas` out. Nothing here knows Textual."""
