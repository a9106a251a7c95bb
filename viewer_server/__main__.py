"""`darner-viewer`: the live page, analytics and the API."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from shared import log, settings
from shared.errors import DarnerError
from shared.program import Parser, called, need
from shared.secrets.arguments import hide_arguments
from viewer_server.config import ViewerConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the viewer and return the exit code."""
    hide_arguments()
    parser = Parser(
        prog=called("darner-viewer", "viewer_server"), description="Shows what is on the broker, live."
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="such as --set http.port=8081"
    )
    parser.add_argument(
        "--label", type=Path, metavar="DIR", help="only label the pictures of this folder, without a broker"
    )
    parser.add_argument(
        "--hash-password",
        action="store_true",
        help="ask for a password, print its hash for http.password_file",
    )
    parser.add_argument(
        "--make-key", type=Path, metavar="FILE", help="make a key for http.key_file, which viewers share"
    )
    given = parser.parse_args(arguments)
    try:
        need("flask", "flask_sock", "gunicorn", extra="viewer")
        if given.hash_password:
            from viewer_server.access.auth import ask_for_hash

            print(ask_for_hash())
            return 0
        if given.make_key:
            from viewer_server.access.key_file import make_key

            make_key(given.make_key)
            return 0
        log.setup()
        label = [f"label.path={given.label.absolute()}", "label.only=true"] if given.label else []
        overrides = [*given.set, *label]
        config = settings.load(ViewerConfig, file=given.config, environment=os.environ, overrides=overrides)
        log.setup(config.log_level)
        from viewer_server import server  # imports gunicorn and Flask: a wrong key is reported without them

        return server.run(config)
    except DarnerError as error:
        print(f"viewer: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
