"""The examples for other programs, run with the real ones: `make test-integrations`."""
