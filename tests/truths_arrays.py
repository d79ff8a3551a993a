"""Independent formulas of functions that move, sort, accumulate and reduce; `truths` explains."""

FORMULAS = {}
