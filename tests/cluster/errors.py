"""The one exception of the test cluster, so that its entry point can turn any failure into one sentence."""


class ClusterError(Exception):
    """What went wrong and what to do about it, in words for the person who typed the command."""
