"""The application: what `main.py` runs for a given configuration."""
