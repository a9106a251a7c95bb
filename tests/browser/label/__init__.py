"""The label page in real Chromium."""
