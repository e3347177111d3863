"""Recorded beam search over an opened model: decisions, rules, interventions, forced scoring, and the trace."""
