"""What people decide about the pictures of a folder."""
