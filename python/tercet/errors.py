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


_BY_CODE = {
    "Invalid": InvalidError,
    "Index error": InvalidError,
    "Type error": WrongTypeError,
    "Key error": NotFoundError,
    "AlreadyExists": ConflictError,
    "Already exists": ConflictError,
    "Cancelled": ConflictError,
    "Capacity error": LimitError,
    "Out of memory": LimitError,
    "NotImplemented": NotSupportedError,
    "IOError": StorageError,
    "Serialization error": StorageError,
    "ExecutionError": PredictorError,
    "Execution error": PredictorError,
    "Unknown error": InternalError,
}


def of_code(code: str) -> type:
    """The exception class for one of Arrow's status code names."""
    return _BY_CODE.get(code, InternalError)
