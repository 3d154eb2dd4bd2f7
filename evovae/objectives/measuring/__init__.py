"""Measures: what tells kinds of phenotypes apart, the axes of an archive of elites."""
