"""Scheduled work of the help desk: files that no message has, and content that nobody can read."""

from __future__ import annotations

import time
from typing import Any

from services.helpdesk import attachments
from services.helpdesk.limits import DAY
from services.helpdesk.upload_folder import UploadFolder
from shared import telemetry
from shared.bus import Job, Services
from shared.eventstore import Session
from shared.logs import get_logger
from shared.retention import load_retention

log = get_logger(__name__)

BATCH = 200
"""Files of one run."""

STRAY_SECONDS = 2 * 24 * 3600.0
"""How old a file without a row must be before it is deleted: longer than any upload takes."""


def expire_uploads(services: Services) -> int:
    """Destroy the keys of files that no message has taken in time; return how many there were."""
    kept = load_retention().uploads

    def expire(session: Session, _command: None) -> int:
        expired = session.read.attachments.expired(session.now - kept, BATCH)
        attachments.destroy(session, expired)
        return len(expired)

    return services.store.transact(expire, None)


def remove_uploads(services: Services) -> int:
    """Remove content whose key is destroyed; return how many files there were."""
    if not services.settings.uploads_dir:
        return 0
    folder = _folder(services)
    telemetry.UPLOADS_ROOM.labels("helpdesk").set(folder.room())
    gone = services.store.query(lambda session: session.read.attachments.to_remove(BATCH))
    for file in gone:
        folder.remove_file(file)

    def note(session: Session, _command: None) -> None:
        session.read.attachments.note_removed(gone, session.now)
        session.read.attachments.delete_removed(session.now - DAY)

    services.store.transact(note, None)
    return len(gone)


def remove_strays(services: Services) -> int:
    """Remove files that the table does not know, as after an older dump of it was restored.

    Returns 0, so that the next run waits.
    """
    if not services.settings.uploads_dir:
        return 0
    folder, before = _folder(services), time.time() - STRAY_SECONDS
    old = [file for file, changed_at in folder.changed_at().items() if changed_at < before]
    for first in range(0, len(old), BATCH):
        some = old[first : first + BATCH]

        def known(session: Session, some: Any = some) -> set[Any]:
            return {one.attachment_id for one in session.read.attachments.of_ids(some)}

        for file in set(some) - services.store.query(known):
            folder.remove_file(file)
            log.warning("stray_upload_removed", attachment_id=str(file))
    return 0


def _folder(services: Services) -> UploadFolder:
    return UploadFolder(services.settings.uploads_dir, services.settings.uploads_free_bytes)


JOBS = [
    Job("expire_uploads", every=600.0, run=expire_uploads),
    Job("remove_uploads", every=60.0, run=remove_uploads),
    Job("remove_strays", every=24 * 3600.0, run=remove_strays),
]
