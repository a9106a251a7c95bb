"""Each finished track becomes one summary: its path, classes, stays, crossings, and how it ended.

Enter by `consolidation.Consolidation`, which sees every analysed frame of a node. It may import analytics and
what lies below. Memory is bounded for each track and for the number of tracks.
"""
