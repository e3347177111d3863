"""Pure functions from values to figures, components and text; nothing here registers a callback."""
