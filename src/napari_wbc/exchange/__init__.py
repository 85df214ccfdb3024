"""Formats of other programs, and for people: one module each, both directions together."""
