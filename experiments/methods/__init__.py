"""What only experiments need."""
