"""Bytes to typed values and back: no I/O, no state, no clock."""
