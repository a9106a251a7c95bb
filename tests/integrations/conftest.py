"""Leaves these tests out of `make test`: they take minutes and what `make test-integrations` installs."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "TEST_INTEGRATIONS" in os.environ else ["test_*.py", "archive/test_*.py"]
