"""Models and videos: which file a name means, and how it is fetched."""
