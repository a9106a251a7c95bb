"""The pages of alerts and rules in real Chromium."""
