"""The views of the page. Each offers ``layout()`` and ``register(app, services)``."""
