"""Builds as Prefect flows: run once in a child process, or on a schedule."""
