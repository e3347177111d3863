"""The Python API: immutable values over the engine and the stores; `beamscope` offers its public names."""
