"""The command line and settings: the composition root of Beamscope, and nothing else."""
