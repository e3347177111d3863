"""Bookkeeping of builds: the ledger of finished steps, digests, locks, executors, publishing."""
