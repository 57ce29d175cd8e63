"""Sensors of the generated robot: what each measures of the scene, and how it errs."""
