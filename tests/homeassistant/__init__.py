"""A real Home Assistant beside a real node: `make test-homeassistant`. What runs is in `house/`."""
