"""`darner-archive`: stores the events of all nodes in PostgreSQL."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from shared import log, settings
from shared.errors import DarnerError
from shared.program import UNREAD, Parser, called, need, nobody_reads
from shared.secrets.arguments import hide_arguments
from viewer_server.archive.config import ArchiveConfig

logger = logging.getLogger("darner.archive")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the archive and return the exit code."""
    hide_arguments()
    parser = Parser(
        prog=called("darner-archive", "viewer_server.archive"),
        description="Stores the events of all nodes in PostgreSQL, and tells the nodes what is stored.",
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="postgresql://USER@HOST/DATABASE, or libpq's words such as service=darner; a password "
        "belongs into PGPASSFILE or database.url_file",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="such as --set archive.workers=2"
    )
    parser.add_argument(
        "--check", action="store_true", help="say whether database and broker can be used, and end"
    )
    parser.add_argument(
        "--print-sql",
        action="store_true",
        help="print the SQL that creates the tables, for a database where the archive may not",
    )
    given = parser.parse_args(arguments)
    try:
        need("psycopg", extra="postgres")
        log.setup()
        url = [f"database.url={given.database}"] if given.database is not None else []
        config = settings.load(
            ArchiveConfig, file=given.config, environment=os.environ, overrides=[*given.set, *url]
        )
        log.setup(config.log_level)
        from viewer_server.archive import database, start  # import psycopg, which is in an extra

        if given.database is not None and database.holds_password(given.database):
            logger.warning(
                "--database has a password, which others may see there: give PGPASSFILE or "
                "database.url_file instead"
            )

        if given.print_sql:
            try:
                print(start.sql(config.database.schema), end="", flush=True)
            except BrokenPipeError:
                nobody_reads()
                return UNREAD
            return 0
        return start.check(config) if given.check else start.run(config)
    except DarnerError as error:
        print(f"archive: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
