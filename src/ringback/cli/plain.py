"""Text of strangers on its way to a terminal."""


def plain(text: str) -> str:
    """Text that steers nothing: escapes, line ends and what turns the direction of writing are question marks."""
    return "".join(character if character.isprintable() else "?" for character in text)
