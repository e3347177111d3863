"""How work is remembered and kept apart: fingerprints, the ledger of finished steps, locks."""
