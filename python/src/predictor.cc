#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include "catalog/row_predictor.h"
#include "project.h"
#include "rows.h"

namespace tercet::python {
namespace {

/// Asks one deployment for single rows, straight from Python's values to cells and back.
class RowAsker {
 public:
  RowAsker(nb::object project, std::string deployment)
      : project_(std::move(project)),
        core_(nb::cast<const CoreProject*>(project_)),
        deployment_(std::move(deployment)) {}
  RowAsker(const RowAsker&) = delete;
  RowAsker& operator=(const RowAsker&) = delete;

  /// (outputs, release id, release number, request id, missing), or None where the short way is not
  /// for this row: then Project.predict answers, or says why not.
  nb::object Ask(nb::handle row, std::optional<int64_t> event_time_us,
                 const std::string& request_id) {
    const auto predictor = Unlocked([&] { return (*core_)->PredictorOf(deployment_); });
    if (predictor == nullptr) return nb::none();
    for (const auto& field : predictor->outputs()->fields()) {
      if (!HasValueOfCell(*field->type())) return nb::none();
    }
    const std::shared_ptr<const Texts> texts = TextsOf(predictor->outputs());
    // Their memory is used again and again; a call that meets another under way has its own.
    Scratch own;
    const bool idle = !std::exchange(busy_, true);
    Scratch& scratch = idle ? kept_ : own;
    nb::object answer;
    try {
      answer = AskWith(*predictor, *texts, row, event_time_us, request_id, &scratch);
    } catch (...) {
      if (idle) busy_ = false;
      throw;
    }
    if (idle) busy_ = false;
    return answer;
  }

 private:
  struct Scratch {
    std::vector<Cell> cells;
    std::vector<uint64_t> numbers;
    RowPrediction prediction;
  };

  /// What answers have, as Python's texts.
  struct Texts {
    std::shared_ptr<arrow::Schema> schema;
    std::vector<nb::str> outputs;
  };

  nb::object AskWith(const RowPredictor& predictor, const Texts& texts, nb::handle row,
                     std::optional<int64_t> event_time_us, const std::string& request_id,
                     Scratch* scratch) {
    // The values, which must stay while other threads run.
    ValuesOfRow values(row);
    if (!values.Cells(*predictor.entities(), &scratch->cells, &scratch->numbers)) {
      return nb::none();
    }
    RowPrediction& prediction = scratch->prediction;
    prediction.request_id = request_id;
    const bool answered = Unlocked(
        [&] { return predictor.Predict(scratch->cells, event_time_us, &prediction); });
    if (!answered) return nb::none();
    nb::dict outputs;
    for (size_t i = 0; i < texts.outputs.size(); ++i) {
      outputs[texts.outputs[i]] = ValueOfCell(
          *predictor.outputs()->field(static_cast<int>(i))->type(), prediction.outputs[i]);
    }
    nb::list missing;
    for (const std::string& one : prediction.missing) missing.append(nb::cast(one));
    return nb::make_tuple(outputs, prediction.release_id, prediction.release_number,
                          prediction.request_id, missing);
  }

  /// Made once a release; a call under way keeps those that it began with.
  std::shared_ptr<const Texts> TextsOf(const std::shared_ptr<arrow::Schema>& outputs) {
    if (texts_ != nullptr && texts_->schema == outputs) return texts_;
    auto texts = std::make_shared<Texts>();
    texts->schema = outputs;
    for (const auto& field : texts->schema->fields()) {
      texts->outputs.push_back(nb::str(field->name().data(), field->name().size()));
    }
    texts_ = std::move(texts);
    return texts_;
  }

  nb::object project_;  // kept alive; closed, it says so
  const CoreProject* core_;
  const std::string deployment_;
  // Guarded by the interpreter's lock.
  bool busy_ = false;
  Scratch kept_;
  std::shared_ptr<const Texts> texts_;
};

}  // namespace

void BindPredictors(nb::module_& module, ProjectClass& project) {
  nb::class_<RowAsker>(module, "RowAsker")
      .def("ask", &RowAsker::Ask, nb::arg(), nb::arg().none(), nb::arg());
  project.def("row_asker", [](nb::handle self, const std::string& deployment) {
    return new RowAsker(nb::borrow(self), deployment);
  });
}

}  // namespace tercet::python
