"""The detector: a backbone, a feature pyramid, proposals, heads and their losses."""
