"""The paper's mathematics: soft targets, ensembles and losses, as functions of tensors; and scores."""
