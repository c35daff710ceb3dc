"""What the students of a run start from: where their weights are, and how they are taken."""
