"""Many devices and many machines: strategies, clusters, workers, and what travels between them."""
