"""What a search has found, kept for each replicate: the best ever, the front of several objectives, an elite a cell.

`HallOfFame` and `ParetoFront` keep individuals by their fitness alone. An `EliteArchive` keeps the best of every kind:
in the cells of a grid, in those around centroids, or wherever nothing like it was known.
"""
