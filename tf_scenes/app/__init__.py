"""The application: what `main.py` does with a configuration."""
