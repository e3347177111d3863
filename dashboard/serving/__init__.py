"""The serving seam: one ASGI application of page and API, and the server that runs it.

Every request passes the same guards, whichever way the application is served: headers, host check, limits on bodies,
and answers to errors. `create_application` composes it; `server.serve` runs it on a socket.
"""

from dashboard.serving.application import create_application

__all__ = ["create_application"]
