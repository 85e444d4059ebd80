#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/type.h>

#include "catalog/feature_group.h"
#include "catalog/feature_view.h"
#include "compute/expression.h"

namespace tercet {

class ViewExpression;

/// Where a view column comes from.
struct ViewColumn {
  std::string name;     ///< in the view: prefix + feature
  int group = -1;       ///< 0 the root, 1… the joins; −1 on-demand, or a request parameter
                        ///< that is a helper column (others are no view columns)
  std::string feature;  ///< its name in the group
  std::shared_ptr<arrow::DataType> type;
  enum class Role { kFeature, kLabel, kHelper };
  Role role = Role::kFeature;
};

/// One group of the plan, resolved.
struct ViewGroup {
  FeatureGroupDefinition definition;
  JoinType type = JoinType::kLeft;
  std::optional<int64_t> ttl_us;              ///< the view's, else the group's
  int64_t lag_us = 0;                         ///< at most the TTL
  std::optional<int64_t> horizon_us;          ///< of labels
  /// Which group's row the left keys are columns of: 0 the root's, which stands for a spine's or a
  /// request's too; else an earlier join's.
  int from = 0;
  std::vector<std::string> left_keys;         ///< columns of the left row, in primary key order
  std::vector<std::string> features;          ///< feature columns to read
  /// Columns to read beside the features, which are keys of joins that come from this one.
  std::vector<std::string> keys_given;
  std::shared_ptr<arrow::Schema> key_schema;  ///< primary key columns in its order

  /// As of which time the group is read for a left row at `time_us`, and with which TTL: a row is
  /// visible to the left row when it is visible there (compute/visibility.h). nullopt: nothing is.
  std::optional<int64_t> TimeOf(int64_t time_us) const;
  std::optional<int64_t> TtlOf() const;
  bool moved() const { return lag_us != 0 || horizon_us.has_value(); }
};

/// A root column that an expression names though the view did not select it.
struct LeftColumn {
  std::string name;    ///< as expressions write it ("tailnum", "flights.tailnum")
  std::string column;  ///< its name in the root group
  std::shared_ptr<arrow::DataType> type;
};

/// A feature view resolved against its groups' schemas: names, types and expressions are checked
/// once, here. Immutable.
///
/// The root's event time column always means the left row's own event time, be the left row of the
/// root, of a spine, or a request.
class ViewPlan {
 public:
  using Groups = std::function<Result<FeatureGroupDefinition>(const Ref&)>;

  /// KeyError with a suggestion for unknown groups, features, join keys, labels, helper columns;
  /// AlreadyExists-free: duplicate view columns are Invalid and suggest a prefix; TypeError where
  /// join keys or expressions don't fit. Also checks every transformation (CheckTransformation).
  /// NotImplemented when the view brings Python functions and there is nobody to run them.
  static Result<std::shared_ptr<const ViewPlan>> Make(const FeatureViewDefinition& definition,
                                                      const Groups& groups,
                                                      PythonFunctions* python = nullptr);
  virtual ~ViewPlan() = default;

  virtual const FeatureViewDefinition& definition() const = 0;
  virtual const std::vector<ViewGroup>& groups() const = 0;  ///< root first
  virtual const std::vector<ViewColumn>& columns()
      const = 0;  ///< view order: root, joins, on-demand
  /// Model inputs before transformation: view columns less labels and helper columns.
  virtual const std::shared_ptr<arrow::Schema>& feature_schema() const = 0;
  /// The features' names with type utf8, made once: how each was found is told beside it.
  virtual const std::shared_ptr<arrow::Schema>& status_schema() const = 0;
  virtual const std::shared_ptr<arrow::Schema>& label_schema() const = 0;
  virtual const std::shared_ptr<arrow::Schema>& helper_schema() const = 0;
  /// Columns by which an entity is asked for online: the join keys and request parameters that no
  /// group provides, and root columns that the root cannot look up online (it is not online, or
  /// has no such key in the request). JSON Schema of a request comes from it.
  virtual std::shared_ptr<arrow::Schema> entity_schema() const = 0;

  /// What Evaluate's rows need of the root beside the view's columns.
  virtual const std::vector<LeftColumn>& left_columns() const = 0;
  /// groups()[g] is looked up by a vector read: a feature (not only labels) needs it, itself or for
  /// the keys of a join that comes from it.
  virtual bool online_group(int g) const = 0;

  /// The schema of Evaluate's rows, in this order: the root's view columns, request parameters,
  /// left_columns(), the joins' view columns, "event_time". Evaluate finds columns by name.
  virtual const std::shared_ptr<arrow::Schema>& row_schema() const = 0;

  /// What the i-th on-demand feature, or the filter (if there is one), is computed from, as its
  /// expression was bound: columns of row_schema() and on-demand features before it.
  virtual std::vector<std::string> OnDemandInputs(size_t i) const = 0;
  virtual std::vector<std::string> FilterInputs() const = 0;

  /// The on-demand features in order, compiled (view_names.h).
  virtual const std::vector<ViewExpression>& on_demand() const = 0;

  /// The names of on-demand features that Python computes.
  virtual const std::vector<std::string>& python_features() const = 0;
  /// Sees to what evaluates on-demand features in Python, which is done at the first need else.
  /// ExecutionError when the text of a function does not give it.
  virtual Status Prepare() const = 0;
  /// The same with so many processes a function, and these limits where it has none of its own.
  virtual Status Reserve(const WorkerLimits& limits) const = 0;

  /// Evaluates the on-demand features in order and returns all view columns. `rows` has the
  /// root's and joins' view columns, request parameters, `left` columns that expressions name, and
  /// "event_time" (timestamp[us, UTC]). The same function for training, batch and online.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Evaluate(
      const std::shared_ptr<arrow::RecordBatch>& rows) const = 0;
  /// The view's filter over the same rows and Evaluate's answer, one boolean a row; null when the
  /// view has no filter.
  virtual Result<std::shared_ptr<arrow::Array>> EvaluateFilter(
      const std::shared_ptr<arrow::RecordBatch>& rows,
      const std::shared_ptr<arrow::RecordBatch>& columns) const = 0;
};

/// The name and type of the left row's event time in Evaluate's rows.
inline constexpr char kEventTime[] = "event_time";
std::shared_ptr<arrow::DataType> EventTimeType();  ///< timestamp[us, UTC]

}  // namespace tercet
