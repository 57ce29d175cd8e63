"""The family of errors this package raises. Each message names the field, the value and the remedy."""


class PerceptionError(Exception):
    """Base of every error that a caller may want to catch."""

    exit_code = 1


class InvalidInput(PerceptionError, ValueError):
    """A message, file or array does not have the form it must have."""


class ConfigError(PerceptionError, ValueError):
    """A configuration or command line value is unknown, out of range or contradictory."""

    exit_code = 2


class MissingTransform(PerceptionError, LookupError):
    """No path between two frames is known. Never replaced by an identity."""


class MissingDependency(PerceptionError, ImportError):
    """An optional package is not installed. The message holds the install command."""


class ModelError(PerceptionError):
    """A network, engine or model card cannot be used."""


class MapError(PerceptionError):
    """A saved map cannot be read or written."""


class DataLoss(PerceptionError):
    """A recording ended early or is damaged. What could be read was used; the message names what was lost."""

    exit_code = 3
