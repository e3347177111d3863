"""The HTTP API under `/api/v1`: the same engine and stores as the page, typed at the edge."""

from dashboard.api.guards import register_host_check
from dashboard.api.routes import register_api

__all__ = ["register_api", "register_host_check"]
