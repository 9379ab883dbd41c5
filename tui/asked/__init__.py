"""What the user asks for before the first key: options of the command line, settings."""
