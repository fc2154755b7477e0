"""What is learned: one file a task. The trainer asks a task for batches, losses and validation."""
