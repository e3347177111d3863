"""The workbench: one Dash page of linked views, and the HTTP API, over exported models and state stores."""
