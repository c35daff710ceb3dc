"""How `kdcl-train` runs: settings, schedule, optimizer, loop, checkpoints, results."""
