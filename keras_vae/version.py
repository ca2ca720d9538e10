"""The version, read by the packaging as well."""

__version__ = "0.2.0"
