"""Who may see it."""
