"""Linear algebra on matrices and stacks of them: solve, inv, det, norm."""
