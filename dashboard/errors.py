"""The errors of the dashboard.

BeamscopeError                  (exported_models.contract.errors)
└── DashboardError              something the page was asked for cannot be done
    ├── LinkError               a link's fragment does not hold a request
    ├── MissingPackageError     a kind of file needs a package that the base install leaves out
    ├── SessionError            a session file cannot be opened
    └── SiteError               (dashboard.site) the application cannot be served as asked
"""

from exported_models.contract.errors import BeamscopeError


class DashboardError(BeamscopeError):
    """The page was asked for something that cannot be done."""


class MissingPackageError(DashboardError):
    """A kind of file needs a package that the base install leaves out; the message names it."""


class LinkError(DashboardError):
    """The fragment of a link does not hold a request."""


class SessionError(DashboardError):
    """A session file cannot be opened: it is too large, damaged, of a later version, or something else."""
