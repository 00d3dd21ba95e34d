"""Kubernetes quantities (``2Gi``, ``500M``) in bytes.

The kubernetes package has a parser, but only cluster.py may import that, and the rules about sizes are pure.
"""

import re
from decimal import Decimal

_UNITS = {"": Decimal(1), "m": Decimal("0.001")}
_UNITS |= {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)}
_UNITS |= {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}
_QUANTITY = re.compile(r"((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)(m|[kMGTPE]|[KMGTPE]i|)")


def parse_quantity(text: str) -> int:
    """A quantity in whole bytes, rounded up as Kubernetes does. Raises ValueError where it is none."""
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a quantity such as 2Gi or 500M")
    return int((Decimal(match[1]) * _UNITS[match[2]]).to_integral_value(rounding="ROUND_CEILING"))
