"""One module per contender of `benchmarks.adbench`, and the problems that all of them are given.

Each has `contender(workload, derivative)`: its `step()` evaluates the objective, or objective and
derivative, on the arrays of `problems.make(workload)`; its `result()` is all the numbers that the
last step returned, in the order of `problems`. Every objective is written as a user of that
library would write it; the formulas and the order of the arrays are the same.
"""
