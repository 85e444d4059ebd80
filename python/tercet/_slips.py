"""What is said to somebody who typed another library's word, an argument's name wrongly, or a value
of another type. Nothing here runs until something has failed."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from types import FunctionType
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from tercet.errors import Error, WrongTypeError

_Function = TypeVar("_Function", bound=Callable[..., Any])

_DEFINE_GROUP = "feature_group(name, version=1, primary_key=[…]) gets or creates one"
_DEFINE_VIEW = "feature_view(name, version=1, query=…) gets or creates one"
_TRAINING_DATA = ("view.training_data(spine, split=tc.split.random(train=0.8, test=0.2)) makes "
                  "training data")
_VECTOR = "view.vector({…}) looks one entity up, view.vectors(frame) many"
_INSERT = "insert(frame, mode=…) writes rows; the online store follows by itself"

#: class → a word that users of pandas, Feast, Hopsworks and MLflow type → what it is called here
_OTHER_WORDS: dict[str, dict[str, str]] = {
    "tercet": {word: "tc.open('directory'), or tc.open('tercet://host:port'), gives a project"
               for word in ("connect", "connection", "login", "Client", "FeatureStore",
                            "get_feature_store")},
    "Project": {
        **dict.fromkeys(("create_feature_group", "get_feature_group",
                         "get_or_create_feature_group"), _DEFINE_GROUP),
        **dict.fromkeys(("create_feature_view", "get_feature_view",
                         "get_or_create_feature_view"), _DEFINE_VIEW),
        **dict.fromkeys(("get_historical_features", "create_training_dataset"), _TRAINING_DATA),
        **dict.fromkeys(("get_online_features", "get_feature_vector"), _VECTOR),
        **dict.fromkeys(("push", "write_to_online_store", "materialize",
                         "materialize_incremental"), "feature_group(name)." + _INSERT),
        **dict.fromkeys(("log_model", "save_model", "create_model"),
                        "register_model(name, model, training_data=data)"),
        **dict.fromkeys(("get_model", "load_model"), "model(name, version=…)"),
        "get_best_model": "models() have metrics: max(project.models(), key=lambda one: "
                          "one.metrics['auc'])",
        **dict.fromkeys(("start_run", "create_run", "set_experiment"),
                        "with project.run(name) as run: …"),
        **dict.fromkeys(("set_registered_model_alias", "get_model_version_by_alias",
                         "transition_model_version_stage"),
                        "a deployment is the alias of a model: deploy(name, model), "
                        "deployment(name).upgrade(model), .rollback()"),
        **dict.fromkeys(("search_registered_models", "search_model_versions"),
                        "models(), or search('words kind:model')"),
        **dict.fromkeys(("delete_registered_model", "delete_model_version"),
                        "model(name, version=…).drop()"),
        "get_deployment": "deployment(name)", "create_deployment": "deploy(name, model)",
        "query": "sql(query)", "execute": "sql(query)", "read_sql": "sql(query)"},
    "FeatureGroup": {
        **dict.fromkeys(("save", "write", "append", "upsert", "ingest", "push", "write_dataframe"),
                        _INSERT),
        **dict.fromkeys(("show", "preview", "sample"), "head(5)"),
        **dict.fromkeys(("features", "columns", "dtypes"), "schema"),
        **dict.fromkeys(("join", "filter"), "group.select('a', 'b').join(…), or .filter(…)"),
        **dict.fromkeys(("select_all", "select_features"), "select() takes all features"),
        **dict.fromkeys(("history", "commit_details", "versions"), "commits()"),
        **dict.fromkeys(("to_pandas", "to_polars", "to_arrow", "df"), "read().to_pandas()"),
        **dict.fromkeys(("delete_records", "commit_delete_record"), "delete(keys)"),
        "append_features": "add_features({'name': 'type'})",
        "as_of": "read(as_of=commit), or a time",
        "get_feature_vector": _VECTOR},
    "Query": dict.fromkeys(
        ("read", "show", "head", "to_pandas", "as_of"),
        "project.feature_view(name, query=query).training_data() reads it, as of each row's time"),
    "FeatureView": {
        **dict.fromkeys(("get_feature_vector", "get_feature_vectors", "get_online_features"),
                        _VECTOR),
        **dict.fromkeys(("train_test_split", "create_training_data", "create_train_test_split",
                         "get_training_data", "get_train_test_split", "get_historical_features"),
                        _TRAINING_DATA),
        **dict.fromkeys(("add_tag", "add_tags"), "project.annotate(view, tags={…})"),
        **dict.fromkeys(("statistics", "get_training_dataset_statistics"),
                        "training_data().statistics, or group.statistics()"),
        **dict.fromkeys(("get_batch_data", "read", "head", "to_pandas"),
                        "training_data(start=…, end=…) reads rows; model.batch(start, end) "
                        "predicts them"),
        **dict.fromkeys(("features", "schema", "query", "columns"),
                        "definition says what it is made of, training_data().train.X has it all")},
    "TrainingData": {
        **dict.fromkeys(("train_test_split", "split"),
                        "view.training_data(split=tc.split.random(train=0.8, test=0.2)) makes "
                        "parts"),
        **dict.fromkeys(("to_pandas", "df", "features", "labels", "X", "y"), "it is by part")},
    "TrainingPart": dict.fromkeys(
        ("to_pandas", "to_polars", "df", "head", "data"),
        "X, y and keys.to_pandas() have its rows, in one order"),
    "Model": {
        **dict.fromkeys(("predict", "transform", "score"),
                        "model.batch(start, end) or batch(spine=frame) predicts; online: "
                        "project.deploy(name, model).predict({…})"),
        "deploy": "project.deploy(name, model)",
        **dict.fromkeys(("load", "download", "save"), "files() has the files' bytes")},
    "Deployment": {
        **dict.fromkeys(("start", "stop", "restart", "is_running"),
                        "it answers wherever the project is open, and in 'tercet serve'; drop() "
                        "ends it"),
        **dict.fromkeys(("update", "deploy"), "upgrade(model)"),
        **dict.fromkeys(("undeploy", "delete"), "drop()"),
        "get_logs": "configure(log_percent=100) keeps a prediction log"},
    "Run": {
        **dict.fromkeys(("log_metric", "log_metrics", "log_param", "log_params"),
                        "log(auc=0.8, depth=3)"),
        **dict.fromkeys(("end", "finish", "end_run"), "a run ends with its 'with' block")},
}


def _is_a(name: str) -> Callable[[Any], bool]:
    return lambda value: name in {base.__name__ for base in type(value).__mro__}


#: an annotation's name → (what fits it, how it is called); other names fit everything
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda value: isinstance(value, str), "text"),
    "bool": (lambda value: isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"),
             "True or False"),
    "int": (lambda value: isinstance(value, Integral) and not isinstance(value, bool)
            and -2**63 <= int(value) < 2**63, "a whole number (of 64 bits)"),
    "float": (lambda value: isinstance(value, Real) and not isinstance(value, bool), "a number"),
    "Mapping": (lambda value: isinstance(value, Mapping), "a dict"),
    "dict": (lambda value: isinstance(value, Mapping), "a dict"),
    "os.PathLike": (lambda value: hasattr(value, "__fspath__"), "a path"),
    "None": (lambda value: value is None, "None"),
    **dict.fromkeys(("Sequence", "Iterable", "list", "tuple"),
                    (lambda value: isinstance(value, Iterable)
                     and not isinstance(value, (str, bytes)), "a list")),
    **{name: (_is_a(name), f"a {name}")
       for name in ("Model", "FeatureGroup", "FeatureView", "TrainingData", "Signature", "Split")},
}


def missing(owner: str, name: str, there: Iterable[str]) -> str:
    """What to say of an attribute that is not there: its word here, or one spelled like it."""
    if (word := _OTHER_WORDS.get(owner, {}).get(name)) is not None:
        return f": {word}"
    near = difflib.get_close_matches(name, [one for one in there if not one.startswith("_")], 1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _misfit(annotation: str, value: Any) -> str | None:
    """What an argument must be, where its annotation says so and the value is not."""
    plain, inner = annotation.replace("'", "").replace('"', ""), ""
    while inner != plain:  # without what stands in brackets
        inner, plain = plain, re.sub(r"\[[^\[\]]*\]", "", plain)
    kinds = [_KINDS.get(one.strip()) for one in plain.split("|")]
    if any(kind is None for kind in kinds):
        return None
    fits = any(kind[0](value) for kind in kinds if kind)
    if fits and "Sequence[str]" in annotation and isinstance(value, (list, tuple)):
        return None if all(isinstance(one, str) for one in value) else "a list of names"
    return None if fits else " or ".join(kind[1] for kind in kinds if kind)


def _slip(function: Callable[..., Any], args: Any, kwargs: dict[str, Any],
          strictly: bool = False) -> str | None:
    """What was wrong about a call's arguments, if anything. `strictly`: of a call that has not
    failed, where None stands for what is not said."""
    name, signature = function.__name__, inspect.signature(function)
    known = [one for one in signature.parameters if one != "self"]
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        for word in kwargs:
            if word not in known:
                near = difflib.get_close_matches(word, known, 1)
                return (f"{name}() has no argument '{word}' " +
                        (f"(did you mean '{near[0]}'?)" if near else f"({', '.join(known)})"))
        by_name = [one.name for one in signature.parameters.values()
                   if one.kind is one.KEYWORD_ONLY]
        hint = f"; by name it takes {', '.join(by_name)}" if by_name else ""
        return f"{name}(): {error}{hint}"
    for word, value in given.items():
        parameter = signature.parameters[word]
        if strictly and value is None and parameter.default is not parameter.empty:
            continue
        if word == "self" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if (expected := _misfit(str(parameter.annotation), value)) is not None:
            if expected == "a list" and isinstance(value, str):
                expected = f"a list: [{value!r:.40}]"
            shown = repr(value) if isinstance(value, (str, bytes, int, float, list)) else ""
            return (f"{name}(): {word} must be {expected}, not "
                    f"{shown[:60] + ' (' if shown else ''}{type(value).__name__}"
                    f"{')' if shown else ''}")
    return None


def explained(function: _Function) -> _Function:
    """The function; where it fails of a wrong argument, the error says which and why."""
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (TypeError, AttributeError, ValueError) as error:
            if isinstance(error, Error):
                raise
            if (slip := _slip(function, args, kwargs)) is None:
                if "incompatible function arguments" not in str(error):
                    raise
                given = inspect.signature(function).bind(*args, **kwargs).arguments
                shown = (f"{word}={value!r}" for word, value in given.items() if word != "self")
                slip = f"{function.__name__}() does not take {', '.join(shown):.200}"
        raise WrongTypeError(slip)

    return call  # type: ignore[return-value]


def checked(function: _Function) -> _Function:
    """The function, which is not called with an argument of another type than its annotation's:
    for what defines something, where a wrong value would otherwise be kept as something else."""
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if (slip := _slip(function, args, kwargs, strictly=True)) is not None:
            raise WrongTypeError(slip)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


class Noun:
    """A class of Tercet's: its public methods are `explained`, its missing ones suggested."""

    #: asked once a request: they answer for themselves
    _AS_THEY_ARE = frozenset({"predict", "vector", "vector_array"})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, member in list(vars(cls).items()):
            if isinstance(member, FunctionType) and not name.startswith("_") \
                    and name not in cls._AS_THEY_ARE:
                setattr(cls, name, explained(member))

    if not TYPE_CHECKING:  # for checkers, what is not there is not there
        def __getattr__(self, name: str) -> Any:
            kind = type(self).__name__
            if hasattr(type(self), name):  # a property, which failed itself
                return object.__getattribute__(self, name)
            raise AttributeError(f"a {kind} has no '{name}'" + missing(kind, name, dir(type(self))))
