"""Source models run one sentence at a time, as oracles for parity: nothing here uses an exported graph."""
