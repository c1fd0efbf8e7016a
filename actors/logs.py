"""How a process of ours logs: one JSON object a line on standard error, tracebacks as text.

The default of the library renders tracebacks with every local variable, which takes seconds
and would print balances and documents.
"""

import logging
import sys

import structlog


def configure_logs(level: str = "INFO") -> None:
    """Set up logging for this process; call it once, where the process begins."""
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
