"""Independent formulas of linear algebra; `truths` explains."""

FORMULAS = {}
