"""Emitters: what proposes the next genomes to an archive of elites, and learns from what became of them.

The names and meanings are those of pyribs. Each works for all replicates, and for all its instances, at once.
"""
