"""Changing scene descriptions: edits, and the scripts in which a user writes edits and scenes."""
