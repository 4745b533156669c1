"""What a prediction is worth: depth, temporal and trajectory metrics, results, reports."""
