#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "catalog/model.h"
#include "runtime/predictor.h"

namespace tercet {

/// A class of the user's own, in a worker process of the interpreter that the options name.
///
/// "predictor.json" in the directory names it: {"module": "predictor", "class": "MyPredictor"}, and
/// may name an interpreter of its own ("python": "/srv/envs/fraud/bin/python"), whose environment
/// needs pyarrow. A "requirements.txt" beside it is checked against what the interpreter has; where
/// the options have a folder of environments, and no interpreter is named, one that meets it is
/// made there first.
/// The class may have `__init__(self, directory)`, and has `predict(self, batch)`, where batch is a
/// pyarrow.RecordBatch of the signature's inputs. What predict returns becomes the outputs: a
/// list, NumPy array (rows or rows × outputs), pandas or polars frame, dict of columns, or a
/// pyarrow table, by name where the names are the signature's, else by position.
/// `preprocess(self, batch)` and `postprocess(self, predictions)` run before and after, if there
/// are any. With "step": "preprocess" (or "postprocess") that method alone is called, with the
/// signature's inputs: a transformer's part, beside another model in a chain (composite.h).
///
/// Its workers, deadlines and errors are those of PythonProgram (python_program.h).
Result<std::unique_ptr<Predictor>> LoadPythonPredictor(const std::string& directory,
                                                       const Signature& signature,
                                                       const PredictorOptions& options);

}  // namespace tercet
