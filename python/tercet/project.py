"""Projects: where everything starts."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any, Mapping, Sequence

from tercet import _core
from tercet._declared_schema import schema_to_json
from tercet._json import definition_to_json, to_json
from tercet._model_files import files_of
from tercet._project_html import project_html
from tercet._slips import Noun, checked, explained
from tercet._sql import SqlAsOf, absolute_paths, read_times
from tercet._times import Duration, Time, duration_to_micros, to_micros
from tercet.deployment import Deployment, Prediction, Predictions
from tercet.errors import InvalidError, NotSupportedError, StorageError, WrongTypeError
from tercet.feature_group import Commit, Erased, FeatureGroup, integer_of
from tercet.feature_view import FeatureView
from tercet.frame import Frame, library_of, rows_to_stream, to_stream
from tercet.lineage import Annotation, Hit, Impact, Lineage, name_of
from tercet.model import Model, Signature
from tercet.neighbors import Embedding, embeddings_to_json
from tercet.on_demand import BoundUdf, Udf, with_functions
from tercet.query import Query
from tercet.run import Run
from tercet.source import Source, find_extensions
from tercet.training_data import TrainingData
from tercet.transformation import Chain, Transformation, flatten


@explained
def open(location: str | os.PathLike[str], *, token: str = "", memory_limit: int = 0,
         state: str | os.PathLike[str] | None = None,
         storage_options: Mapping[str, str] | None = None, online: str = "",
         frames: str | None = None) -> "Project":
    """Opens or creates a project.

    `location`: a directory, "s3://bucket/prefix" of an object store, or "tercet://host:port" of a
    running `tercet serve`; the API is the same. `token`: for servers that want one.
    `memory_limit`: bytes that a point-in-time join, a write or the making of training data may hold
    at once (0: the default, 2 GiB); what is more waits on disk. For a bucket, `state`: a local
    directory for the catalog, the online store and copies of the bucket's files (by default that of
    TERCET_STATE); `storage_options`: settings such as
    "endpoint", "region", "access_key_id" and "secret_access_key", which otherwise come from the
    environment (AWS_…) and ~/.aws. `online`: "redis://host:port/db" keeps online rows in a Redis or
    a Redis Cluster (any of its nodes), for many serving processes; by default what TERCET_ONLINE
    says, else RocksDB in the project. Say it alike in all processes on a project. `frames`: sets
    `Project.frames`.

    Raises StorageError when the directory is no project, or the server or the bucket does not
    answer, does not exist or refuses; InvalidError when a bucket is given no state or no
    credentials are found.
    """
    if isinstance(location, os.PathLike) and os.fspath(location).startswith("s3:/"):
        raise InvalidError(f"give '{location}' as text: a path loses one of its slashes")
    _check_frames(frames)
    if integer_of(memory_limit) is None or memory_limit < 0:
        raise InvalidError(f"memory_limit is a number of bytes, or 0, not {memory_limit!r}")
    find_extensions()
    text = os.fspath(location)
    if "://" not in text:
        text = os.path.expanduser(text)
    folder, storage = os.fspath(state) if state else "", dict(storage_options or {})
    project = Project(_core.open(text, token, sys.executable, "", memory_limit, folder, storage,
                                 online))
    project.frames = frames
    if not (token or storage or "@" in online):  # a password of Redis
        project._options = {"memory_limit": memory_limit, "state": folder, "online": online,
                            "frames": frames}
    return project


def _open_again(location: str, options: dict[str, Any]) -> "Project":
    return open(location, **options)


class Project(Noun):
    """Everything of one ML system: feature groups, views, training data, models, deployments."""

    def __init__(self, core: _core.Project):
        self._core = core
        self._frames: str | None = None  # as chosen
        self._seen_library = "arrow"
        self._runs: list[Run] = []
        self._askers: dict[str, _core.RowAsker] = {}
        # What `open` was given besides; None where a pickle must not carry it.
        self._options: dict[str, Any] | None = None
        # A pipeline step under `tercet run` records into that run what it reads and writes.
        self._outer_run = os.environ.get("TERCET_RUN_ID", "")

    @property
    def location(self) -> str:
        """The directory or address, as it was opened."""
        return self._core.location

    @property
    def frames(self) -> str:
        """The library in which `X` and `y` of training data come: "pandas", "polars" or "arrow".
        By default that of the last DataFrame given to the project, until it is set, here or by
        `open`; None goes back to that. InvalidError for another name."""
        return self._frames or self._seen_library

    @frames.setter
    def frames(self, library: str | None) -> None:
        _check_frames(library)
        self._frames = library

    def close(self) -> None:
        """Waits until what was inserted is applied online, then lets go of the project."""
        self._core.close()

    def __enter__(self) -> "Project":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<Project, closed>" if self._core.closed else f"<Project '{self.location}'>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the names of what there is, by kind."""
        return project_html(self)

    def __reduce__(self) -> Any:
        """A pickle opens the project again where it is loaded: in another process, mostly."""
        if self._options is None:
            raise NotSupportedError("a project that was opened with a token, storage options or a "
                                    "password is not pickled, since the pickle would hold them; "
                                    "open it where it is used")
        location = self.location if "://" in self.location else os.path.abspath(self.location)
        return _open_again, (location, self._options)

    def __copy__(self) -> "Project":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Project":
        return self

    def _saw(self, data: Any) -> None:
        """Remembers in which library the user works, to answer in the same."""
        if data is not None and library_of(data) != "arrow":
            self._seen_library = library_of(data)

    def _record(self, *, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> None:
        """Adds what was read and written to the run that is under way, if any."""
        if self._runs:
            self._runs[-1]._add(inputs=list(inputs), outputs=list(outputs))
        elif self._outer_run:
            self._core.log_run(self._outer_run, json.dumps(
                {"id": "", "name": "", "status": "running", "started_us": 0,
                 "inputs": list(inputs), "outputs": list(outputs)}))

    # -- F: feature groups

    @checked
    def feature_group(self, name: str, *, version: int = 0, primary_key: Sequence[str] = (),
                      event_time: str | None = None, schema: Mapping[str, str] | Any = None,
                      online: bool = False, ttl: Duration | None = None, description: str = "",
                      tags: Mapping[str, str] | None = None, deletion_vectors: bool = True,
                      history: bool = False,
                      embeddings: Mapping[str, Embedding | str] | None = None) -> FeatureGroup:
        """Gets or creates a feature group; just gets it when no `primary_key` is given.

        `schema`: column → type text ("double", "timestamp[us, tz=UTC]"), or a pyarrow.Schema; by
        default that of the first insert. `event_time`: the column that says when a row became
        true. `ttl`: age past which a row is no longer seen ("3h"). `online`: also serve the
        latest rows at low latency. `deletion_vectors=False` keeps the table readable for engines
        without them, at slower upserts. `history=True`: no vacuum takes an old commit, so that
        training data can be read with `known_at=True`. `embeddings`: columns of vectors, each with
        an `embedding` or just its metric, for `FeatureGroup.find_neighbors`; of online groups.

        Raises ConflictError, with the difference, when the stored definition differs.
        """
        key = [] if primary_key is None else list(primary_key)
        if not key:
            return FeatureGroup(self, json.loads(self._core.feature_group(name, version)))
        definition = {"name": name, "version": version or 1, "primary_key": key,
                      "event_time": event_time or "",
                      "ttl_us": duration_to_micros(ttl, "ttl"), "online": online,
                      "deletion_vectors": deletion_vectors, "description": description,
                      "tags": dict(tags or {}), "schema": schema_to_json(schema)}
        if history:
            definition["history"] = True
        if embeddings:
            definition["embeddings"] = embeddings_to_json(embeddings)
        return FeatureGroup(self, json.loads(self._core.define_feature_group(
            definition_to_json(definition))))

    @checked
    def external_feature_group(self, name: str, *, version: int = 0, source: Source,
                               primary_key: Sequence[str], event_time: str | None = None,
                               online: bool = False, ttl: Duration | None = None,
                               description: str = "", tags: Mapping[str, str] | None = None
                               ) -> FeatureGroup:
        """Gets or creates a feature group whose rows another system keeps.

        `source`: where they are, by `tercet.source.parquet("/data/*.parquet")` and its like. They
        are read there at each use, never copied, and joined as those of any group; inserting is
        refused. `online`: serve what `FeatureGroup.materialize` last loaded. The other arguments
        are those of `feature_group`; the columns are the source's.

        Raises NotFoundError when nothing is there, InvalidError when it has no such key or event
        time, NotSupportedError when a server may not read it, or a DuckDB extension is missing.
        """
        if not isinstance(source, Source):
            raise WrongTypeError("source is made by tercet.source.parquet('…') and its like, "
                                 f"not {type(source).__name__}")
        definition = {"name": name, "version": version or 1, "primary_key": list(primary_key),
                      "event_time": event_time or "", "ttl_us": duration_to_micros(ttl, "ttl"),
                      "online": online, "description": description, "tags": dict(tags or {}),
                      "source": source.to_json()}
        return FeatureGroup(self, json.loads(self._core.define_feature_group(
            definition_to_json(definition))))

    def feature_groups(self) -> list[FeatureGroup]:
        """All feature groups, by name and version."""
        return [FeatureGroup(self, one) for one in json.loads(self._core.feature_groups())]

    def erase(self, keys: Any) -> Erased:
        """Removes all rows of these entities from every feature group whose primary key has all
        columns of `keys` (any frame, a dict of columns, or a list of dicts): see
        `FeatureGroup.erase`. Raises NotFoundError when no group has them."""
        return Erased._of(json.loads(self._core.erase("", 0, rows_to_stream(keys))))

    # -- SQL over feature groups

    def sql(self, query: str, *, as_of: SqlAsOf = None, files: Sequence[str] = (),
            time_limit: Duration | None = None) -> Frame:
        """The answer of one SELECT over the feature groups, in DuckDB's dialect.

        `weather` is a group's newest version, `weather_1` or `"weather@1"` a version, and
        `feature_group('weather@1', as_of := '2013-06-01')` one as of a commit time or a commit's
        version. Each group is read as of one commit, visible rows only. `as_of`: a commit time
        (or a commit, for its time) for all groups, or {group: commit, version or time}; by
        default their heads. `files`: files, and folders that end in "/", that the query may read
        (none; a server reads none). `time_limit`: how long it may take ("30s"). Times are in UTC.

        Raises NotFoundError for unknown names, InvalidError for what is no query, LimitError and
        ConflictError beyond the limits of memory and time.
        """
        as_of_us, versions = read_times(self, as_of)
        frame, pins = self._core.sql(query, as_of_us, versions, absolute_paths(files),
                                     duration_to_micros(time_limit, "time_limit"))
        self._record(inputs=[f"feature_group {group} commit {version}"
                             for group, version in pins.items()])
        return Frame(frame)

    def run_sql_step(self, path: str | os.PathLike[str]) -> Commit:
        """Runs a feature pipeline's step in SQL, a `.sql` file with a header (docs/guides/sql.md):
        its new rows become one commit of its target group. A run without new rows changes nothing
        and returns the target's newest commit, as `already_applied`. `tercet run FILE` does the
        same and records a run.
        """
        with io.open(os.fspath(path), encoding="utf-8") as file:
            done = json.loads(self._core.run_sql_step(file.read()))
        group = done["commit"]["feature_group"]
        commit = Commit._of(group, {**done["commit"], "already_applied": done["rows"] == 0})
        self._record(inputs=[f"feature_group {one} commit {version}"
                             for one, version in done["pins"].items()],
                     outputs=[f"feature_group {group} commit {commit.version}"]
                     if done["rows"] else [])
        return commit

    def _spine(self, spine: Any) -> Any:
        """A spine as a frame: a text is a query that gives one."""
        return self.sql(spine) if isinstance(spine, str) else spine

    # -- the contract: feature views

    @checked
    def feature_view(self, name: str, *, version: int = 0, query: Query | None = None,
                     on_demand: Mapping[str, str | Udf | BoundUdf] | None = None,
                     labels: Sequence[str] = (),
                     transformations: Sequence[Transformation | Chain] = (),
                     helper_columns: Sequence[str] = (),
                     request_parameters: Mapping[str, str] | None = None, description: str = "",
                     tags: Mapping[str, str] | None = None) -> FeatureView:
        """Gets or creates a feature view; just gets it when no `query` is given.

        `on_demand`: name → expression over the view's columns, "group.feature", `event_time` and
        `request_parameters` (name → type), or a function in Python (`tc.udf`), which is slower.
        `labels` are never given to a model, `helper_columns` come beside the features.
        docs/reference/expressions.md has the expression language.
        """
        if query is None:
            return FeatureView(self, json.loads(self._core.feature_view(name, version)))
        if not isinstance(query, Query):
            raise WrongTypeError("query is made of a feature group: weather.select('temp'), not "
                                 f"{type(query).__name__}")
        expressions, functions = with_functions(on_demand or {})
        definition = {
            "name": name, "version": version or 1, "root": query.root(),
            "joins": list(query.joins), "filter": query.filter_expression,
            "on_demand": expressions, "functions": functions,
            "request_parameters": dict(request_parameters or {}),
            "labels": list(labels), "helper_columns": list(helper_columns),
            "transformations": [one.to_json() for one in flatten(transformations)],
            "description": description, "tags": dict(tags or {})}
        return FeatureView(self, json.loads(self._core.define_feature_view(
            definition_to_json(definition))))

    def feature_views(self) -> list[FeatureView]:
        """All feature views, by name and version."""
        return [FeatureView(self, one) for one in json.loads(self._core.feature_views())]

    # -- T: runs and models

    def run(self, name: str, **parameters: Any) -> Run:
        """Starts a run; use it as a context manager: it then keeps what is printed, what is read
        and written, and how it ended."""
        record = {"id": "", "name": name, "status": "running", "started_us": 0,
                  "parameters": parameters, "code_version": _core.code_version()}
        return Run(self, json.loads(self._core.start_run(to_json(record))))

    def training_dataset(self, view: str, version: int = 0, *, view_version: int = 0,
                         location: str | os.PathLike[str] | None = None) -> TrainingData:
        """A registered training dataset (version 0: the newest) with its parts: made again and
        proven equal, as `FeatureView.rebuild`, or read from the files that `TrainingData.save`
        wrote in `location`, whose bytes are checked against the registered ones.

        Raises NotFoundError when there is none, StorageError when a byte differs."""
        if location is None:
            return self.feature_view(view, version=view_version).rebuild(version)
        registered = json.loads(self._core.training_dataset(view, view_version, version))
        text, parts = _core.Project.load_training_data(os.fspath(location))
        saved = json.loads(text)
        for member in ("view", "version", "sha256"):
            if saved[member] != registered[member]:
                raise StorageError(f"the files in '{os.fspath(location)}' are not those of "
                                   f"training dataset '{registered['view']}' version "
                                   f"{registered['version']}: they differ in {member}")
        return TrainingData(self, saved, parts)

    def runs(self) -> list[Run]:
        """All runs, newest first."""
        return [Run(self, one) for one in json.loads(self._core.runs())]

    def register_model(self, name: str, model: Any, *, training_data: TrainingData | None = None,
                       metrics: Mapping[str, float] | None = None,
                       signature: Signature | None = None, view: FeatureView | None = None,
                       description: str = "", tags: Mapping[str, str] | None = None) -> Model:
        """Registers a model as the next version of its name.

        `model`: an XGBoost or LightGBM model, a scikit-learn estimator (through ONNX), an ONNX
        model, the path of a model file, `tc.predictor(path, class)`, or registered models together
        (`tc.composite.chain`, `mean`, `vote`). `training_data` ties it
        to the data and view that made it; its features name the model's inputs. `signature` is
        needed for predictor classes (outputs) and for models without training data (inputs).
        """
        features = None
        if training_data is not None:
            features = len(training_data.definition["features"])
        kind, files = files_of(model, features)
        run = self._runs[-1] if self._runs else None
        definition: dict[str, Any] = {
            "name": name, "version": 0, "format": kind,
            "signature": (signature or Signature()).to_json(),
            "metrics": {key: float(value) for key, value in (metrics or {}).items()},
            "description": description, "tags": dict(tags or {}),
            "run_id": run.id if run else self._outer_run, "files": {}}
        if training_data is not None:
            definition["training_dataset"] = f"{training_data.view}@{training_data.version}"
            definition["view"] = training_data.view
        elif view is not None:
            definition["view"] = f"{view.name}@{view.version}"
        registered = Model(self, json.loads(self._core.register_model(to_json(definition),
                                                                  files)))
        self._record(outputs=[f"model {registered.name}@{registered.version}"])
        return registered

    def model(self, name: str, *, version: int = 0) -> Model:
        """A model; version 0 is the newest."""
        return Model(self, json.loads(self._core.model(name, version)))

    def models(self) -> list[Model]:
        """All models, by name and version."""
        return [Model(self, one) for one in json.loads(self._core.models())]

    # -- search, lineage and what is said of things

    def lineage(self, thing: Any, direction: str = "both", *, depth: int | None = None,
                columns: bool = False) -> Lineage:
        """What something is made of and what is made of it: source, feature group, view, training
        dataset, model, release, deployment, and runs in between.

        `thing`: a feature group, view, training data, model, deployment or run, or its name:
        "weather@1", one column of it "weather@1.temp", "delay@1@2" for a training dataset, with
        its kind where several have the name ("model:delay@1"). `direction`: "upstream",
        "downstream" or "both". `depth`: at most so many steps. `columns`: column by column, also
        where no column is asked about.

        Raises NotFoundError when there is no such thing, InvalidError when several are meant.
        """
        return Lineage(json.loads(self._core.lineage(name_of(thing), direction, depth, columns)))

    def impact(self, thing: Any) -> Impact:
        """What breaks if this (as in `lineage`) is dropped: every view, training dataset, model,
        release and deployment that needs it, whether requests are answered with it now, and what
        Tercet refuses to drop because of it."""
        return Impact._of(json.loads(self._core.impact(name_of(thing))))

    def search(self, query: str, *, limit: int = 20) -> list[Hit]:
        """Everything that is found by these words in its name, description, owner, tags, features
        or parameters, best first.

        `late flights` needs both words, `"late flights"` both in a row, `fli*` a beginning,
        `-weather` none; `kind:feature_view`, `tag:team=ops` and `owner:anna` narrow it down.
        Raises InvalidError, saying where, when the query can't be read.
        """
        return [Hit(**one) for one in json.loads(self._core.search(query, limit))]

    def annotation(self, thing: Any) -> Annotation:
        """The description, owner and tags of something (as in `lineage`) and of its features."""
        return Annotation._of(json.loads(self._core.annotation(name_of(thing))))

    def annotate(self, thing: Any, *, description: str | None = None, owner: str | None = None,
                 tags: Mapping[str, str] | None = None,
                 features: Mapping[str, str] | None = None) -> Annotation:
        """Sets what is said of something (as in `lineage`), at any time and without a new version:
        its description, its owner, its tags (in place of all that there are), and descriptions of
        its features. What is not given stays. Returns all that is said now.

        Raises NotFoundError for a feature that it does not have.
        """
        change: dict[str, Any] = {"features": dict(features or {})}
        if tags is not None:
            change["tags"] = dict(tags)
        for member, value in (("description", description), ("owner", owner)):
            if value is not None:
                change[member] = value
        return Annotation._of(json.loads(self._core.annotate(name_of(thing),
                                                             definition_to_json(change))))

    # -- I: deployments

    def deploy(self, name: str, model: Model) -> Deployment:
        """Serves a release of this model under a name: creates the deployment or upgrades it."""
        if not isinstance(model, Model):
            raise WrongTypeError("a registered model is deployed: project.model('delay'), not "
                                 f"{type(model).__name__}")
        deployed = json.loads(self._core.deploy(name, model.name, model.version))
        self._record(inputs=[f"model {model.name}@{model.version}"],
                     outputs=[f"deployment {name}"])
        return Deployment(self, deployed)

    def deployment(self, name: str) -> Deployment:
        """A deployment as it is now."""
        return Deployment(self, json.loads(self._core.deployment(name)))

    def deployments(self) -> list[Deployment]:
        """All deployments, by name."""
        return [Deployment(self, one) for one in json.loads(self._core.deployments())]

    def predict(self, deployment: str, entities: Any, *, event_time: Time | None = None,
                request_id: str | None = None) -> Any:
        """A deployment's prediction as of `event_time` (now).

        `entities`: a dict gives a dict of outputs, a list of dicts a list of dicts, a frame
        `Predictions` with as many rows. Each has entity keys, request parameters, and any feature
        to pass in instead of looking it up. `request_id` names the request in the prediction log
        (`Deployment.configure`), so that labels find it; without one it gets one of its own, which
        `Deployment.record_outcome` takes. The dicts are `Prediction`s, which have it.
        """
        if type(entities) is dict:
            asker = self._askers.get(deployment)
            if asker is None:
                asker = self._askers[deployment] = self._core.row_asker(deployment)
            answer = asker.ask(entities, to_micros(event_time, "event_time"), request_id or "")
            if answer is not None:
                return Prediction(*answer)
        rows = isinstance(entities, (dict, list))
        given = entities if rows else rows_to_stream(entities)
        outputs, missing, release, number, answer_id = self._core.predict(
            deployment, given, to_micros(event_time, "event_time"), rows, request_id or "")
        if isinstance(entities, dict):
            return Prediction(outputs[0], release, number, answer_id, missing)
        if isinstance(entities, list):
            return [Prediction(row, release, number, f"{answer_id}/{i}",
                               [one for one in missing if one.endswith(f"(row {i})")])
                    for i, row in enumerate(outputs)]
        return Predictions(outputs, missing, release, number, answer_id)


def _check_frames(library: Any) -> None:
    if library not in (None, "pandas", "polars", "arrow"):
        raise InvalidError(f"frames come as 'pandas', 'polars' or 'arrow', not {library!r}")
