"""Ringback: rooms on your own machine in which browsers, telephones and voice agents meet."""

__version__ = "0.1.0"
