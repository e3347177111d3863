"""Pure functions from values to figures, components and text. No module here registers a callback."""
