"""Repeating, padding and turning arrays: tile, pad, flip, roll, diag, tril."""
