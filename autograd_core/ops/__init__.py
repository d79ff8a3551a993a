"""The operations, one declaration each, by family; `operators` attaches them to Tensor last."""
