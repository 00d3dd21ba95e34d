"""Text that others wrote, such as a mover, a storage driver or kubelet, before it is quoted. Pure."""


def one_line(text: str) -> str:
    """``text`` in one line, with escapes for all that could drive a terminal, forge a log line or be no character."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)
