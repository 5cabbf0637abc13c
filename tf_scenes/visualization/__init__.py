"""Pictures of what a model sees and draws, and of how its training went."""
