"""One module per contender, with `training_step(workload)` for the race in `peers`.

All of them train the same network from the same start on the same batch: a perceptron with ReLU,
softmax cross-entropy averaged over the batch, Adam, float32. `step()` is forward, backward and
Adam; `result()` is the loss that the last step saw. They differ only in the library. Where a
library has a tape, `chain_gradient(x, w, links)` is the long chain of `overhead`.
"""
