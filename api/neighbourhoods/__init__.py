"""The neighbourhood folder: the one file contract between planners, benchmarks, tests and the service."""
