"""Methods whose students are branches of one network."""
