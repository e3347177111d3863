"""The contract of an exported model: manifests, graph signatures, requests, traces, publishing. Nothing here runs a
model.
"""
