"""Independent formulas of activations; `truths` explains."""

FORMULAS = {}
