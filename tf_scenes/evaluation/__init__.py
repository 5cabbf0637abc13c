"""What a trained model is measured by, and its pictures."""
