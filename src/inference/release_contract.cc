#include "inference/release_contract.h"

namespace tercet {

Inference::Contract ContractOfRelease(const LoadedRelease& loaded, int64_t number) {
  Inference::Contract contract{.entities = loaded.signature().inputs,
                               .optional = arrow::schema({}),
                               .outputs = loaded.signature().outputs,
                               .release_id = loaded.release().id,
                               .release_number = number};
  if (loaded.plan() == nullptr) return contract;
  contract.entities = loaded.plan()->entity_schema();
  contract.python_features = loaded.plan()->python_features();
  const arrow::Schema& labels = *loaded.plan()->label_schema();
  arrow::FieldVector optional;
  for (const ViewColumn& column : loaded.plan()->columns()) {
    if (labels.GetFieldIndex(column.name) < 0 &&
        contract.entities->GetFieldIndex(column.name) < 0) {
      optional.push_back(arrow::field(column.name, column.type));
    }
  }
  // What the root group has and this release does not use may come along, so that a client can ask
  // releases of different views alike: an upgrade must not make its requests fail.
  const ViewGroup& root = loaded.plan()->groups().front();
  for (const auto& field : root.definition.schema->fields()) {
    const arrow::Schema so_far(optional);
    if (labels.GetFieldIndex(field->name()) < 0 && so_far.GetFieldIndex(field->name()) < 0 &&
        contract.entities->GetFieldIndex(field->name()) < 0) {
      optional.push_back(field);
    }
  }
  contract.optional = arrow::schema(std::move(optional));
  return contract;
}

}  // namespace tercet
