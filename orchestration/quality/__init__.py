"""Guards the border: what may enter from a source system."""
