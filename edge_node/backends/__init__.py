"""One detector engine per file, each with the same two methods."""
