"""Its presence puts this folder on the import path, for what several rooms' tests share."""

import structlog

# The default renders every local variable of a traceback, which takes seconds a time.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)
