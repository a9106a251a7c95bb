"""Events are kept until they are safe elsewhere."""
