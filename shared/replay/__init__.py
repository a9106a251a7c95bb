"""Record what is published, and publish it again."""
