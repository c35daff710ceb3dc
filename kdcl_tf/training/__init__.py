"""The engine: trains any task, with exact resume; it knows neither classifiers nor detectors."""
