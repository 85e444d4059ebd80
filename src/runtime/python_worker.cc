#include "runtime/python_worker.h"

#include <string_view>

namespace tercet {
namespace {

/// Frames in and out; `load(start)` gives what `answer(loaded, payload)` is asked with.
constexpr std::string_view kLoop = R"py(
import inspect, json, os, socket, struct, sys, traceback

channel = socket.socket(fileno=3)


def receive(count):
    parts = []
    while count:
        part = channel.recv(min(count, 1 << 20))
        if not part:
            os._exit(0)  # the parent is gone
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def send(kind, payload=b""):
    channel.sendall(kind + struct.pack("<Q", len(payload)))
    channel.sendall(payload)


def import_pyarrow():
    # Not from wherever the parent stands.
    sys.path[:] = [path for path in sys.path if path]
    try:
        import pyarrow
    except ImportError:
        raise RuntimeError(
            f"pyarrow cannot be imported by {sys.executable}, and code in workers needs it "
            "(pip install pyarrow)")
    return pyarrow


def stream_of(table):
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def serve(load, answer):
    loaded = None
    while True:
        kind, length = struct.unpack("<cQ", receive(9))
        payload = receive(length)
        try:
            if kind == b"I":
                loaded = load(json.loads(payload))
                result = b""
            else:
                result = answer(loaded, payload)
        except BaseException as error:
            frames = traceback.format_exception(type(error), error, error.__traceback__)
            place = getattr(error, "place", "")  # what an answer says of where it was
            message = f"{place}{type(error).__name__}: {error}"
            send(b"E", json.dumps({"error": message[:2000],
                                   "traceback": "".join(frames)[-4000:]}).encode())
        else:
            send(b"R", result)
)py";

constexpr std::string_view kPredictor = R"py(
def check_requirements(path):
    """Pinned and bounded packages of requirements.txt against those that are installed."""
    from importlib import metadata
    try:
        from packaging.requirements import Requirement
    except ImportError:
        Requirement = None
    unmet = []
    with open(path, encoding="utf-8") as file:
        lines = [line.split("#")[0].split(" --")[0].strip().rstrip("\\").strip() for line in file]
    for line in lines:
        if not line or line.startswith("-"):
            continue
        if Requirement is not None:
            wanted = Requirement(line)
            if wanted.marker is not None and not wanted.marker.evaluate():
                continue
            name, fits = wanted.name, lambda version: wanted.specifier.contains(version, True)
        else:
            name, _, pin = line.partition("==")
            name, fits = name.strip(), lambda version: not pin or version == pin.strip()
            if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
                raise RuntimeError(f"requirement '{line}' can't be checked without 'packaging'")
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            unmet.append(f"{line} (not installed)")
        else:
            if not fits(version):
                unmet.append(f"{line} (installed: {version})")
    if unmet:
        raise RuntimeError(f"{sys.executable} does not meet requirements.txt: " + ", ".join(unmet))


def load(start):
    directory = start["directory"]
    requirements = os.path.join(directory, "requirements.txt")
    if os.path.exists(requirements):
        check_requirements(requirements)
    import_pyarrow()
    sys.path.insert(0, directory)
    module = __import__(start["module"], fromlist=["*"])
    if not hasattr(module, start["class"]):
        names = [name for name, value in vars(module).items() if inspect.isclass(value)]
        raise RuntimeError(
            f"module '{start['module']}' has no class '{start['class']}' (it has {names})")
    kind = getattr(module, start["class"])
    step = start["step"]
    if not callable(getattr(kind, step or "predict", None)):
        raise RuntimeError(
            f"class '{start['class']}' has no method {step or 'predict'}(self, batch)")
    try:
        takes_directory = len(inspect.signature(kind).parameters) > 0
    except (TypeError, ValueError):
        takes_directory = False
    return kind(directory) if takes_directory else kind(), step, start["outputs"]


def to_table(result, outputs, rows):
    """Whatever a predict() naturally returns, as a table."""
    import pyarrow as pa

    if isinstance(result, pa.Table):
        return result
    if isinstance(result, pa.RecordBatch):
        return pa.Table.from_batches([result])
    if isinstance(result, dict):
        return pa.table({name: column(values) for name, values in result.items()})
    if isinstance(result, (pa.Array, pa.ChunkedArray)):
        return pa.table({outputs[0]: result})
    if hasattr(result, "to_arrow"):  # polars
        result = result.to_arrow()
        return result if isinstance(result, pa.Table) else pa.table({outputs[0]: result})
    if hasattr(result, "columns") and hasattr(result, "to_dict"):  # pandas
        return pa.Table.from_pandas(result, preserve_index=False)
    if hasattr(result, "to_numpy"):  # a pandas series
        result = result.to_numpy()
    if hasattr(result, "shape"):
        if len(result.shape) == 1:
            return pa.table({outputs[0]: column(result)})
        if len(result.shape) == 2:
            width = result.shape[1]
            names = outputs if len(outputs) == width else [f"{i}" for i in range(width)]
            return pa.table({name: column(result[:, i]) for i, name in enumerate(names)})
        raise TypeError(f"predict() returned an array of {len(result.shape)} dimensions")
    if isinstance(result, (list, tuple)):
        if result and isinstance(result[0], dict):
            return pa.Table.from_pylist(list(result))
        if result and len(outputs) > 1 and isinstance(result[0], (list, tuple)):
            return pa.table({name: column([row[i] for row in result])
                             for i, name in enumerate(outputs)})
        return pa.table({outputs[0]: column(list(result))})
    raise TypeError(
        f"predict() returned {type(result).__name__}; a list, array, dict, frame or table is taken")


def column(values):
    import pyarrow as pa

    if hasattr(values, "to_numpy") and not isinstance(values, (pa.Array, pa.ChunkedArray)):
        values = values.to_numpy()
    if hasattr(values, "ndim") and hasattr(values, "flags"):
        import numpy
        values = numpy.ascontiguousarray(values)
    return values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)


def predict(loaded, payload):
    import pyarrow as pa

    predictor, step, outputs = loaded
    batch = pa.ipc.open_stream(pa.py_buffer(payload)).read_next_batch()
    raw = {}
    if step:
        result = getattr(predictor, step)(batch)
    else:
        result = predictor.preprocess(batch) if hasattr(predictor, "preprocess") else batch
        result = predictor.predict(result)
        if hasattr(predictor, "postprocess"):
            raw = raw_columns(result, outputs, batch.num_rows)
            result = predictor.postprocess(result)
    table = to_table(result, outputs, batch.num_rows)
    for name, values in raw.items():
        table = table.append_column("tercet.raw." + name, values)
    return stream_of(table.combine_chunks())


def raw_columns(result, outputs, rows):
    """What is to be post-processed, as far as it is columns that a log can keep."""
    import pyarrow as pa

    try:
        table = to_table(result, outputs, rows)
    except (TypeError, ValueError, pa.ArrowException):
        return {}  # whatever the class's own two methods understand
    if table.num_rows != rows:
        return {}
    kept = {}
    for name, values in zip(table.column_names, table.columns):
        if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
            kept[name] = values.cast(pa.float64(), safe=False)
        elif pa.types.is_boolean(values.type) or pa.types.is_string(values.type):
            kept[name] = values
    return kept


serve(load, predict)
)py";

constexpr std::string_view kFunction = R"py(
import __future__, base64, datetime, decimal, linecache, numbers


class Function:
    """A function, the type of its values, and what Python calls such values."""

    def __init__(self, function, schema):
        import pyarrow as pa

        self.function, self.schema, self.type = function, schema, schema.field(0).type
        kinds = [(pa.types.is_integer, numbers.Integral), (pa.types.is_floating, numbers.Real),
                 (pa.types.is_decimal, (decimal.Decimal, int)),
                 (pa.types.is_string, str), (pa.types.is_large_string, str),
                 (pa.types.is_binary, bytes), (pa.types.is_large_binary, bytes),
                 (pa.types.is_timestamp, datetime.datetime), (pa.types.is_date, datetime.date),
                 (pa.types.is_time, datetime.time), (pa.types.is_duration, datetime.timedelta)]
        self.kinds = next((kind for test, kind in kinds if test(self.type)), object)
        self.is_bool = pa.types.is_boolean(self.type)
        self.is_date = pa.types.is_date(self.type)

    def fits(self, value):
        """Nothing is turned into another type unasked: True is no number, a time is no day."""
        if value is None:
            return True
        boolean = type(value).__name__ in ("bool", "bool_")
        if boolean or self.is_bool:
            return boolean and self.is_bool
        if self.is_date and isinstance(value, datetime.datetime):
            return False
        return isinstance(value, self.kinds)

    def wrong(self, row, value, why=""):
        error = TypeError(f"it returned {value!r:.100} ({type(value).__name__}), which is no "
                          f"{self.type}{why}")
        error.place = f"in row {row}: "
        return error

    def array(self, values):
        import pyarrow as pa

        for row, value in enumerate(values):
            if not self.fits(value):
                raise self.wrong(row, value)
        try:
            return pa.array(values, self.type)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            for row, value in enumerate(values):
                try:
                    pa.array([value], self.type)
                except (pa.ArrowException, ValueError, TypeError, OverflowError) as one:
                    raise self.wrong(row, value, f" ({one})") from None
            raise error


def load(start):
    pyarrow = import_pyarrow()
    schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(base64.b64decode(start["output"])))
    name, source = start["name"], start["source"]
    file = f"<function {name}>"
    # For tracebacks, which show the line.
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    # What parameters are annotated with is not needed here.
    code = compile(source, file, "exec", __future__.annotations.compiler_flag, True)
    names = {"__name__": "tercet_function"}
    exec(code, names)
    if not callable(names.get(name)):
        raise RuntimeError(f"the text defines no function '{name}'")
    return Function(names[name], schema)


def call(function, payload):
    import pyarrow as pa

    batch = pa.ipc.open_stream(pa.py_buffer(payload)).read_next_batch()
    values = []
    for arguments in zip(*(column.to_pylist() for column in batch.columns)):
        try:
            values.append(function.function(*arguments))
        except Exception as error:
            error.place = f"in row {len(values)}: "
            raise
    return stream_of(pa.table([function.array(values)], schema=function.schema))


serve(load, call)
)py";

std::string Joined(std::string_view program) { return std::string(kLoop).append(program); }

}  // namespace

std::string PredictorProgram() { return Joined(kPredictor); }

std::string FunctionProgram() { return Joined(kFunction); }

}  // namespace tercet
