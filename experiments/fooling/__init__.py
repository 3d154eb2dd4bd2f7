"""What `reproduce_fooling.py` fools, and how its rules read the outcome."""
