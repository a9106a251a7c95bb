"""Tools that take a model to the fastest correct engine, and measure what the product claims."""
