"""The models: what they have in common, and a package for each."""
