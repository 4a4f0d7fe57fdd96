"""Drivers of programs that others wrote, for tests that speak with strangers."""
