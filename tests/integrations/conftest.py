"""Leaves these tests out of `make test`: they need programs that `make test-integrations` installs, and minutes."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "TEST_INTEGRATIONS" in os.environ else ["test_*.py"]
