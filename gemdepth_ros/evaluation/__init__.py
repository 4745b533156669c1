"""What a prediction is worth: depth, temporal and trajectory metrics, a typed result, its report."""
