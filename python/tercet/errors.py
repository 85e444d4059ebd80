"""The exceptions that Tercet raises. Each is a `tercet.Error`, and also the built-in exception
that a Python user would expect."""


class Error(Exception):
    """Base of all errors that Tercet raises."""


class InvalidError(Error, ValueError):
    """Bad input: a value, a schema or a definition that is not valid."""


class WrongTypeError(Error, TypeError):
    """A value or column of the wrong type."""


class NotFoundError(Error, LookupError):
    """A name, version, column or key that does not exist."""


class ConflictError(Error):
    """A definition that differs from the stored one, or a race that was lost after all retries."""


class LimitError(Error):
    """A request larger than its limit."""


class NotSupportedError(Error, NotImplementedError):
    """Something that Tercet refuses to do."""


class StorageError(Error, OSError):
    """Disk, network, a corrupt file, or a process that died."""


class PredictorError(Error, RuntimeError):
    """A model or predictor class failed."""


class InternalError(Error, RuntimeError):
    """A bug in Tercet."""

