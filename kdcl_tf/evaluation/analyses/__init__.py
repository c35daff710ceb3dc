"""The analyses of `kdcl-evaluate`: each finds numbers, and can tell and draw them."""
