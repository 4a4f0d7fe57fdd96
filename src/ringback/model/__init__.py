"""The words of the product as values: ids, events, records, errors, end reasons. Pure: no clock, no chance, no I/O."""
