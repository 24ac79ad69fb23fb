"""Logging: one readable line an event to standard error, JSON where nobody watches."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up(level: str) -> None:
    """Configure structlog and the standard library's logging alike. No message bodies in here."""
    number = getattr(logging, level.upper())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    renderer: structlog.types.Processor = (
        # Plain: the default prints local variables too, secrets and message bodies among them.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=renderer, foreign_pre_chain=[*shared, structlog.processors.format_exc_info]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(number, logging.INFO))
    # Talkative libraries: a line per request or query says nothing to an owner.
    for name in (
        "httpx",
        "httpx2",
        "chromadb",
        "uvicorn.access",
        "alembic",
        "apscheduler",
        "nicegui",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
