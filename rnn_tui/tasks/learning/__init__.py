"""What tasks share: batches of sequences, losses over them, and the scoring of a part."""
