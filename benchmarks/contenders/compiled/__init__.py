"""One module per contender of `benchmarks.compiled`, and the problems that all of them are given.

`mlp` and `chain` evaluate a function and its gradient on the arrays of `problems`; `result()` is
what the last evaluation gave, in a few numbers. `Epochs` trains from the same start on the same
batches in the same order at every step; `result()` is the mean loss of each epoch.
"""
