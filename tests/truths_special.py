"""Independent formulas of special functions; `truths` explains."""

FORMULAS = {}
