"""What a run in progress has learned: held-out pictures, and the measures of its snapshots."""
