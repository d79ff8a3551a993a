"""Ops that sort and choose by size: sort, median, quantile."""
