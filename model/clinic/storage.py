"""How much of what the store holds, and image files that no record knows."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from model import store, tables
from model.clinic import kept_images
from model.config import settings
from model.people.access import Actor, require


@dataclass(frozen=True)
class Stored:
    """Numbers of records, and the size of the database, which excludes the kept images."""

    num_reviews: int
    num_worklists: int
    num_worklist_files: int
    num_readings: int
    num_audit_records: int
    database: str
    database_bytes: int


def stored(actor: Actor) -> Stored:
    """What the database holds now; for an admin."""
    require(actor, "admin")
    with store.reading() as connection:

        def number(table: sa.Table) -> int:
            return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()

        return Stored(
            num_reviews=number(tables.reviews),
            num_worklists=number(tables.worklists),
            num_worklist_files=number(tables.worklist_files),
            num_readings=number(tables.readings),
            num_audit_records=number(tables.audit),
            database=store.description(),
            database_bytes=_database_bytes(connection),
        )


def stray_images(actor: Actor) -> list[str]:
    """The names of files among the kept images that no record knows, sorted; for an admin."""
    require(actor, "admin")
    known = {image.image_sha256 for image in kept_images.kept(actor)}
    files = (settings().home / "images").glob("[0-9a-f][0-9a-f]/*.png")
    return sorted({file.stem for file in files} - known)


def _database_bytes(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(
            "SELECT pg_database_size(current_database())"
        ).scalar_one()
    return connection.exec_driver_sql(
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    ).scalar_one()
