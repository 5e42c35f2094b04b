"""The error of data that cannot be used."""


class DataError(ValueError):
    """Images, masks or splits that cannot be used; the message names the files, what was expected and what came."""
