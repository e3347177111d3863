"""A project file becomes an exported model and a state store, in steps that can be run again at any time."""
