"""What the memory probes share: their data, their losses and scores, and how an answer is shown."""
