#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <arrow/type.h>

#include "view/view_names.h"

namespace tercet {

/// What a vector of a view is made of.
struct OnlineNeeds {
  std::vector<bool> groups;  ///< which of the view's groups are read online
  /// What names the rows: keys, columns of the root group that no online row has, and all request
  /// parameters.
  std::shared_ptr<arrow::Schema> entities;
};

/// The parts of a resolved view that decide what its vectors need.
struct ViewParts {
  const FeatureViewDefinition& definition;
  const std::vector<ViewGroup>& groups;
  const std::vector<ViewColumn>& columns;
  const std::vector<LeftColumn>& left_columns;
  const std::vector<ViewExpression>& on_demand;  ///< as in the definition
  const arrow::Schema& parameters;
  const arrow::Schema& features;
};

/// Only what features are made of counts: not labels, nor helper columns.
OnlineNeeds FindOnlineNeeds(const ViewParts& view);

}  // namespace tercet
