"""Putting published claims to the test."""
