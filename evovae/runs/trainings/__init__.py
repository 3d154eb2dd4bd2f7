"""Training recorded, and what it left."""
