"""The one exception for bad input: the command line prints it as a single line and exits with status 2."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the value, says what was expected and what to do.
    """
