"""Edits of scene descriptions, and the edit scripts and scene scripts that users write."""
