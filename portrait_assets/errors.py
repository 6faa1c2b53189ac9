"""The one family of errors that are the user's to mend: each says what, where, and what to do."""


class PortraitError(Exception):
    """A mistake in input or use. The command line prints it as one line and exits with code 2."""
