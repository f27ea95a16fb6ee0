"""Files that a person downloads."""

from __future__ import annotations

from werkzeug.wrappers import Response

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def file_response(content: bytes, name: str, ending: str) -> Response:
    """Return a file with its name; a browser shows a PDF, and saves all else."""
    response = Response(content, content_type=MEDIA_TYPES[ending])
    shown = "inline" if ending == "pdf" else "attachment"
    response.headers["Content-Disposition"] = f'{shown}; filename="{name}.{ending}"'
    response.headers["Cache-Control"] = "no-store"
    return response
