"""What we and our users test with: a clock that jumps, a pretend carrier, pretend media, records in memory."""
