# SPDX-License-Identifier: Apache-2.0

"""Text of strangers on one line of a terminal, a log or an error."""


def escaped(text: str) -> str:
    """Escape what is not printable: a line stays one, a cursor where it is."""
    return ''.join(char if char.isprintable() else
                   char.encode('unicode_escape', 'surrogatepass').decode()
                   for char in text)
