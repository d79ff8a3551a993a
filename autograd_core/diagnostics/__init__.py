"""Diagnosis of what was computed: where a number stopped being finite."""

from .anomaly import detect_anomaly

__all__ = ["detect_anomaly"]
