#pragma once

#include <string>

#include <arrow/type.h>

#include "catalog/catalog.h"
#include "catalog/model.h"
#include "view/feature_views.h"

namespace tercet {

/// OK when a model can be given these features: every input of the signature is one of them, by
/// name, and is of a type that becomes the input's without a change of meaning (number to number,
/// boolean to number, text to text). A model may leave features out. Invalid otherwise, naming the
/// columns.
Status CheckFits(const Signature& signature, const arrow::Schema& features);

/// Whether a value of one type may stand for another, as CheckFits means it.
bool CanStandFor(const arrow::DataType& given, const arrow::DataType& wanted);

/// The release of a registered model, not stored: everything that its answers depend on. Invalid
/// when the model does not fit its view.
Result<Release> ReleaseOf(Catalog* catalog, FeatureViews* views, const ModelDefinition& model);

}  // namespace tercet
