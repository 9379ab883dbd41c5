"""Tests of the recipe that makes the demo."""
