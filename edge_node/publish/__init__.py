"""Results become messages."""
