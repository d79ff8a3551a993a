"""Derivatives written by hand with NumPy, right ones and ones with a bug seeded into them.

`operations` and `models` hold the right ones, `bugs` what can be wrong with them.
"""
