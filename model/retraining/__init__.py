"""From reviews to a frozen retraining set."""
