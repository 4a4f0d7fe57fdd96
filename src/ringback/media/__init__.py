"""Meetings, legs and tracks as spoken to the Rust core."""
