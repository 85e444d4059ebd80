#include "runtime/python_worker.h"

namespace tercet {

const std::string_view kPythonWorker = R"py(
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
    # Not from wherever the parent stands, but from the model's own folder.
    sys.path[:] = [directory] + [path for path in sys.path if path]
    try:
        import pyarrow
    except ImportError:
        raise RuntimeError(
            f"pyarrow cannot be imported by {sys.executable}, and predictor classes need it "
            "(pip install pyarrow)")
    module = __import__(start["module"], fromlist=["*"])
    if not hasattr(module, start["class"]):
        names = [name for name, value in vars(module).items() if inspect.isclass(value)]
        raise RuntimeError(
            f"module '{start['module']}' has no class '{start['class']}' (it has {names})")
    kind = getattr(module, start["class"])
    if not callable(getattr(kind, "predict", None)):
        raise RuntimeError(f"class '{start['class']}' has no method predict(self, batch)")
    try:
        takes_directory = len(inspect.signature(kind).parameters) > 0
    except (TypeError, ValueError):
        takes_directory = False
    return kind(directory) if takes_directory else kind()


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


def predict(predictor, payload, outputs):
    import pyarrow as pa

    batch = pa.ipc.open_stream(pa.py_buffer(payload)).read_next_batch()
    result = batch
    if hasattr(predictor, "preprocess"):
        result = predictor.preprocess(result)
    result = predictor.predict(result)
    if hasattr(predictor, "postprocess"):
        result = predictor.postprocess(result)
    table = to_table(result, outputs, batch.num_rows).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def main():
    predictor, outputs = None, []
    while True:
        kind, length = struct.unpack("<cQ", receive(9))
        payload = receive(length)
        try:
            if kind == b"I":
                start = json.loads(payload)
                outputs = start["outputs"]
                predictor = load(start)
                answer = b""
            else:
                answer = predict(predictor, payload, outputs)
        except BaseException as error:
            frames = traceback.format_exception(type(error), error, error.__traceback__)
            message = f"{type(error).__name__}: {error}"
            send(b"E", json.dumps({"error": message[:2000],
                                   "traceback": "".join(frames)[-4000:]}).encode())
        else:
            send(b"R", answer)


main()
)py";

}  // namespace tercet
