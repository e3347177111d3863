"""`beamscope verify` on a published model, damaged in every way a folder can be."""
