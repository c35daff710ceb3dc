"""The optimizers of a cohort: one for all students, or one for each, as its steps need them."""
