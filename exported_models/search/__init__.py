"""Recorded beam search over an opened model: decisions, rules, overrides, ablation, forced scoring, the trace."""
