#include "neighbors/row_filter.h"

#include <algorithm>
#include <bit>

#include <arrow/array/array_primitive.h>

#include "base/short_text.h"

namespace tercet {

Result<std::shared_ptr<const RowFilter>> RowFilter::Make(const std::string& text,
                                                         const arrow::Schema& group) {
  const auto made = [&]() -> Result<std::shared_ptr<const RowFilter>> {
    ARROW_ASSIGN_OR_RAISE(const Expression parsed, Expression::Parse(text));
    const Expression expression = parsed.WithMembers(
        [&](const std::string& name) { return group.GetFieldIndex(name) >= 0; });
    // Against all columns first, so that what is near a misspelt name can be told.
    ARROW_RETURN_NOT_OK(CompiledExpression::Compile(expression, group).status());
    auto filter = std::make_shared<RowFilter>();
    filter->columns_ = expression.columns();
    arrow::FieldVector fields;
    for (const std::string& name : filter->columns_) {
      fields.push_back(group.GetFieldByName(name));
    }
    filter->schema_ = arrow::schema(std::move(fields));
    ARROW_ASSIGN_OR_RAISE(filter->condition_,
                          CompiledExpression::Compile(expression, *filter->schema_));
    if (filter->condition_->type()->id() != arrow::Type::BOOL) {
      return Status::TypeError("it is of type ", filter->condition_->type()->ToString(),
                               ", not a condition");
    }
    return filter;
  }();
  return made.ok() ? made : Explain(made.status(), "filter '" + ShortText(text, 200) + "'");
}

Result<LabelBits> RowFilter::Evaluate(const arrow::RecordBatch& rows) const {
  arrow::ArrayVector columns;
  for (const std::string& name : columns_) columns.push_back(rows.GetColumnByName(name));
  const auto batch = arrow::RecordBatch::Make(schema_, rows.num_rows(), std::move(columns));
  ARROW_ASSIGN_OR_RAISE(const auto answer, condition_->Evaluate(*batch));
  const auto& fits = static_cast<const arrow::BooleanArray&>(*answer);
  LabelBits bits((static_cast<size_t>(rows.num_rows()) + 63) / 64);
  for (int64_t i = 0; i < fits.length(); ++i) {
    const bool fit = fits.IsValid(i) && fits.Value(i);
    bits[static_cast<size_t>(i) / 64] |= static_cast<uint64_t>(fit) << (i % 64);
  }
  return bits;
}

Result<std::shared_ptr<const AllowedLabels>> FilteredRows::Find(const std::string& text,
                                                                const RowFilter& filter,
                                                                const EmbeddingRows& rows) {
  const std::lock_guard lock(mutex_);
  auto known = std::find_if(known_.begin(), known_.end(),
                            [&](const Known& one) { return one.text == text; });
  if (known == known_.end()) {
    if (known_.size() == kKept) known_.pop_back();
    known_.push_front({.text = text, .chunks = {}, .allowed = nullptr});
  } else {
    known_.splice(known_.begin(), known_, known);
  }
  known = known_.begin();
  if (known->allowed != nullptr && known->changes == rows.changes()) return known->allowed;
  std::map<uint64_t, LabelBits> chunks;
  auto allowed = std::make_shared<AllowedLabels>();
  allowed->bits.resize(rows.live().size());
  for (const RowChunk& chunk : rows.chunks()) {
    LabelBits& bits = chunks[chunk.id];
    if (const auto before = known->chunks.find(chunk.id); before != known->chunks.end()) {
      bits = before->second;
    } else {
      ARROW_ASSIGN_OR_RAISE(bits, filter.Evaluate(*chunk.rows));
    }
    const size_t first = chunk.first / 64;
    for (size_t w = 0; w < bits.size(); ++w) {
      allowed->bits[first + w] = bits[w] & rows.live()[first + w];
      allowed->count += static_cast<size_t>(std::popcount(allowed->bits[first + w]));
    }
  }
  known->chunks = std::move(chunks);
  known->changes = rows.changes();
  known->allowed = std::move(allowed);
  return known->allowed;
}

}  // namespace tercet
