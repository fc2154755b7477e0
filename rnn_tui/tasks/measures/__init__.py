"""Metrics, each equal to that of the library people trust (torchmetrics, seqeval, scikit-learn, sacrebleu)."""
