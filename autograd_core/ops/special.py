"""Special functions: erf, gammaln, digamma, xlogy."""
