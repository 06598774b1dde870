"""Structured logs: one line per fact, ids as fields, never content. JSON for machines, colours for a terminal."""

import logging
import sys
from traceback import extract_tb
from typing import Literal

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]


def set_up(level: Level = "info") -> None:
    """Send our own logs to stderr from `level` on, and those of libraries from warning on."""
    renderer: Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _where_without_words,
    ]
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries at debug level write requests and answers, content included.
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[_first_line, *common],
            processors=[ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[libraries])
    logging.captureWarnings(True)


def _where_without_words(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Of an exception its name and where it came from: its own words may quote content."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given if given is not True else sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error"] = type(error).__qualname__
        event["where"] = [f"{frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    return event


def _first_line(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """asyncio names objects in the lines that follow, and with them the words of their exceptions."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event
