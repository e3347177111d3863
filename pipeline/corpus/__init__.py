"""Corpora read from files, one sentence pair at a time, as text and as token ids."""
