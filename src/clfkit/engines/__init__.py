"""Engines: what computes a training step. Each registers a function EngineSetup → Engine."""
