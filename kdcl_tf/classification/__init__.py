"""A cohort of classifiers as a task of the engine: what `kdcl-train` trains."""
