"""Tests of the project itself: what is installed, what imports what, what the commands answer."""
