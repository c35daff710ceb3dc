"""The paper's mathematics: soft targets, ensembles and the distillation loss, tensors in and out."""
