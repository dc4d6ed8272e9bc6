"""Showing results to a person: on the terminal and as a page."""
