#include "inference/composite.h"

#include <algorithm>

#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"
#include "inference/release_fit.h"
#include "runtime/prediction_columns.h"

namespace tercet {
namespace {

using Batch = std::shared_ptr<arrow::RecordBatch>;
using Column = std::shared_ptr<arrow::Array>;
using Deadline = std::optional<std::chrono::steady_clock::time_point>;
using CompositeKind = CompositeDefinition::Kind;

constexpr size_t kMaxParts = 64;

Result<CompositeKind> KindOf(const std::string& name) {
  if (name == "chain") return CompositeKind::kChain;
  if (name == "mean") return CompositeKind::kMean;
  if (name == "vote") return CompositeKind::kVote;
  return Status::Invalid("'kind' is '", ShortText(name, 40), "'",
                         Suggest(name, {"chain", "mean", "vote"}));
}

/// The columns that `inputs` names, from those that are known, the latest of a name first.
Result<Batch> Gather(const CompositePart& part, int64_t rows,
                     const std::vector<const arrow::RecordBatch*>& known) {
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (const auto& input : part.signature.inputs->fields()) {
    Column column;
    for (auto batch = known.rbegin(); batch != known.rend() && column == nullptr; ++batch) {
      column = (*batch)->GetColumnByName(input->name());
    }
    if (column == nullptr) {
      return Status::Invalid("no part gives input '", input->name(), "' of part '",
                             part.model.ToText(), "'");
    }
    fields.push_back(arrow::field(input->name(), column->type()));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(columns));
}

/// The weighted mean of numbers, in doubles, added in the order of the parts.
Result<Column> Mean(const arrow::ArrayVector& columns, const std::vector<double>& weights) {
  const int64_t rows = columns[0]->length();
  std::vector<double> sums(static_cast<size_t>(rows), 0);
  std::vector<bool> valid(static_cast<size_t>(rows), true);
  double whole = 0;
  for (size_t part = 0; part < columns.size(); ++part) {
    ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(columns[part], arrow::float64()));
    const Column kept = cast.make_array();
    const auto& numbers = static_cast<const arrow::DoubleArray&>(*kept);
    for (int64_t row = 0; row < rows; ++row) {
      const auto at = static_cast<size_t>(row);
      if (numbers.IsNull(row)) valid[at] = false;
      if (numbers.IsValid(row)) sums[at] += weights[part] * numbers.Value(row);
    }
    whole += weights[part];
  }
  for (double& sum : sums) sum /= whole;
  arrow::DoubleBuilder builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(sums, valid));
  return builder.Finish();
}

/// For each row the value that most weight is for, of the first part's type.
Result<Column> Vote(arrow::ArrayVector columns, const std::vector<double>& weights) {
  const int64_t rows = columns[0]->length();
  for (Column& column : columns) {
    if (column->type()->Equals(*columns[0]->type())) continue;
    ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(column, columns[0]->type()));
    column = cast.make_array();
  }
  // Of all parts' values in one array, the place of each row's winner.
  ARROW_ASSIGN_OR_RAISE(const Column all, arrow::Concatenate(columns));
  arrow::Int64Builder places;
  ARROW_RETURN_NOT_OK(places.Reserve(rows));
  for (int64_t row = 0; row < rows; ++row) {
    size_t winner = 0;
    double most = 0;
    for (size_t part = 0; part < columns.size(); ++part) {
      double weight = 0;
      for (size_t other = 0; other < columns.size(); ++other) {
        if (columns[part]->RangeEquals(*columns[other], row, row + 1, row)) {
          weight += weights[other];
        }
      }
      if (weight > most) {
        most = weight;
        winner = part;
      }
    }
    places.UnsafeAppend(static_cast<int64_t>(winner) * rows + row);
  }
  ARROW_ASSIGN_OR_RAISE(const Column taken, places.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto chosen, arrow::compute::Take(all, taken));
  return chosen.make_array();
}

class Composite : public Predictor {
 public:
  Composite(CompositeDefinition definition, std::vector<CompositePart> parts, Signature signature)
      : definition_(std::move(definition)),
        parts_(std::move(parts)),
        signature_(std::move(signature)) {}

  const Signature& signature() const override { return signature_; }

  Result<Batch> Predict(const arrow::RecordBatch& features) override {
    ARROW_ASSIGN_OR_RAISE(const Batch answer, PredictBy(features, std::nullopt));
    return FirstColumns(*answer, signature_.outputs->num_fields());
  }

  Result<Batch> PredictBy(const arrow::RecordBatch& features, const Deadline& deadline) override {
    if (features.num_columns() != signature_.inputs->num_fields()) {
      return Status::Invalid("the model takes ", signature_.inputs->num_fields(),
                             " features, not ", features.num_columns());
    }
    // By position, as a predictor's inputs come; from here on by name.
    arrow::FieldVector fields;
    for (int i = 0; i < features.num_columns(); ++i) {
      fields.push_back(
          arrow::field(signature_.inputs->field(i)->name(), features.column(i)->type()));
    }
    const Batch named = arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                                 features.num_rows(), features.columns());
    std::vector<Batch> answers;
    std::vector<const arrow::RecordBatch*> known = {named.get()};
    for (const CompositePart& part : parts_) {
      ARROW_ASSIGN_OR_RAISE(const Batch inputs, Gather(part, features.num_rows(), known));
      auto answer = part.predictor->PredictBy(*inputs, deadline);
      if (!answer.ok()) return Explain(answer.status(), "part '" + part.model.ToText() + "'");
      answers.push_back(*std::move(answer));
      if (definition_.kind == CompositeKind::kChain) known.push_back(answers.back().get());
    }
    if (definition_.kind == CompositeKind::kChain) return WithRaw(answers);
    const bool mean = definition_.kind == CompositeKind::kMean;
    arrow::ArrayVector outputs;
    for (const auto& output : signature_.outputs->fields()) {
      arrow::ArrayVector columns;
      for (const Batch& answer : answers) {
        columns.push_back(answer->GetColumnByName(output->name()));
      }
      ARROW_ASSIGN_OR_RAISE(outputs.emplace_back(),
                            mean ? Mean(columns, definition_.weights)
                                 : Vote(columns, definition_.weights));
    }
    return arrow::RecordBatch::Make(signature_.outputs, features.num_rows(), std::move(outputs));
  }

  Status Reserve(const WorkerLimits& limits) override {
    for (const CompositePart& part : parts_) {
      ARROW_RETURN_NOT_OK(part.predictor->Reserve(limits));
    }
    return Status::OK();
  }

 private:
  /// The last part's answer. Where that only changes what was predicted, that comes behind it.
  Result<Batch> WithRaw(const std::vector<Batch>& answers) const {
    Batch last = answers.back();
    if (!parts_.back().predictor->is_postprocess()) return last;
    const Signature& before = parts_[parts_.size() - 2].signature;
    for (int i = 0; i < before.outputs->num_fields(); ++i) {
      const Column& column = answers[answers.size() - 2]->column(i);
      const auto type = column->type_id();
      Column raw = column;
      if (arrow::is_integer(type) || arrow::is_floating(type)) {
        ARROW_ASSIGN_OR_RAISE(const auto cast,
                              arrow::compute::Cast(column, arrow::float64(),
                                                   arrow::compute::CastOptions::Unsafe()));
        raw = cast.make_array();
      } else if (type != arrow::Type::BOOL && type != arrow::Type::STRING) {
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(
          last, last->AddColumn(last->num_columns(), before.outputs->field(i)->name(), raw));
    }
    return last;
  }

  const CompositeDefinition definition_;
  const std::vector<CompositePart> parts_;
  const Signature signature_;
};

/// Adds an input that a part needs; Invalid when another part takes it as another type.
Status AddInput(const CompositePart& part, const std::shared_ptr<arrow::Field>& input,
                arrow::FieldVector* inputs) {
  const auto found = std::find_if(inputs->begin(), inputs->end(), [&](const auto& other) {
    return other->name() == input->name();
  });
  if (found == inputs->end()) {
    inputs->push_back(input);
    return Status::OK();
  }
  if (CanStandFor(*(*found)->type(), *input->type())) return Status::OK();
  return Status::Invalid("part '", part.model.ToText(), "' takes input '", input->name(), "' as ",
                         input->type()->ToString(), ", and a part before it as ",
                         (*found)->type()->ToString());
}

}  // namespace

Result<CompositeDefinition> CompositeDefinition::Parse(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(text));
  ARROW_RETURN_NOT_OK(CheckMembers("composite model", object, {"kind", "parts", "weights"}));
  CompositeDefinition definition;
  ARROW_ASSIGN_OR_RAISE(const std::string kind, GetString(object, "kind"));
  ARROW_ASSIGN_OR_RAISE(definition.kind, KindOf(kind));
  ARROW_ASSIGN_OR_RAISE(const auto parts, FindStrings(object, "parts"));
  for (const std::string& part : parts) {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(part));
    if (ref.version == 0) {
      return Status::Invalid("part '", part, "' needs a version, so that it stays what it is");
    }
    definition.parts.push_back(ref);
  }
  if (parts.size() < 2 || parts.size() > kMaxParts) {
    return Status::Invalid("a composite model has 2 to ", kMaxParts, " parts, not ", parts.size());
  }
  ARROW_ASSIGN_OR_RAISE(const json::array weights, FindArray(object, "weights"));
  if (!weights.empty() && definition.kind == CompositeKind::kChain) {
    return Status::Invalid("the parts of a chain have no weights");
  }
  for (const json::value& weight : weights) {
    const double number = weight.is_number() ? weight.to_number<double>() : 0;
    if (!(number > 0)) return Status::Invalid("'weights' must be numbers above 0");
    definition.weights.push_back(number);
  }
  if (weights.empty()) definition.weights.assign(parts.size(), 1);
  if (definition.weights.size() != parts.size()) {
    return Status::Invalid(parts.size(), " parts have ", definition.weights.size(), " weights");
  }
  return definition;
}

Result<Signature> SignatureOf(const CompositeDefinition& definition,
                              const std::vector<CompositePart>& parts) {
  arrow::FieldVector inputs, given;
  for (const CompositePart& part : parts) {
    for (const auto& input : part.signature.inputs->fields()) {
      const auto before = std::find_if(given.rbegin(), given.rend(), [&](const auto& output) {
        return output->name() == input->name();
      });
      if (before == given.rend()) {
        ARROW_RETURN_NOT_OK(AddInput(part, input, &inputs));
      } else if (!CanStandFor(*(*before)->type(), *input->type())) {
        return Status::Invalid("part '", part.model.ToText(), "' takes input '", input->name(),
                               "' as ", input->type()->ToString(), ", but a part before it gives ",
                               (*before)->type()->ToString());
      }
    }
    if (definition.kind != CompositeKind::kChain) continue;
    const auto& outputs = part.signature.outputs->fields();
    given.insert(given.end(), outputs.begin(), outputs.end());
  }
  if (inputs.empty()) return Status::Invalid("the parts take no input");
  if (definition.kind == CompositeKind::kChain) {
    return Signature{arrow::schema(std::move(inputs)), parts.back().signature.outputs};
  }
  arrow::FieldVector outputs;
  for (const auto& output : parts[0].signature.outputs->fields()) {
    for (const CompositePart& part : parts) {
      const auto same = part.signature.outputs->GetFieldByName(output->name());
      if (same == nullptr) {
        return Status::Invalid("part '", part.model.ToText(), "' gives no output '",
                               output->name(), "', which part '", parts[0].model.ToText(),
                               "' gives", Suggest(output->name(),
                                                  part.signature.outputs->field_names()));
      }
      const bool number = arrow::is_numeric(same->type()->id());
      if (definition.kind == CompositeKind::kMean && !number) {
        return Status::Invalid("output '", output->name(), "' of part '", part.model.ToText(),
                               "' is ", same->type()->ToString(), ", which has no mean");
      }
      if (!CanStandFor(*same->type(), *output->type())) {
        return Status::Invalid("output '", output->name(), "' of part '", part.model.ToText(),
                               "' is ", same->type()->ToString(), ", not ",
                               output->type()->ToString());
      }
    }
    const bool mean = definition.kind == CompositeKind::kMean;
    outputs.push_back(mean ? output->WithType(arrow::float64()) : output);
  }
  return Signature{arrow::schema(std::move(inputs)), arrow::schema(std::move(outputs))};
}

Result<std::unique_ptr<Predictor>> MakeComposite(const CompositeDefinition& definition,
                                                 std::vector<CompositePart> parts,
                                                 const Signature& signature) {
  ARROW_ASSIGN_OR_RAISE(const Signature own, SignatureOf(definition, parts));
  ARROW_RETURN_NOT_OK(Explain(CheckFits(own, *signature.inputs), "the parts' inputs"));
  if (!own.outputs->Equals(*signature.outputs, /*check_metadata=*/false)) {
    return Status::Invalid("the parts give ", own.outputs->ToString(), ", not ",
                           signature.outputs->ToString());
  }
  return std::make_unique<Composite>(definition, std::move(parts), signature);
}

}  // namespace tercet
