"""Which room a dialled address rings."""
