#include "training/dataset_erasure.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>

#include "base/time_text.h"
#include "catalog/model.h"
#include "compute/sort_key.h"
#include "training/spine_file.h"

namespace tercet {
namespace {

constexpr int kMaxUpdates = 20;

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<std::shared_ptr<arrow::Array>> AsType(const arrow::ChunkedArray& column,
                                             const std::shared_ptr<arrow::DataType>& type) {
  std::shared_ptr<arrow::Array> whole;
  if (column.num_chunks() == 0) {
    ARROW_ASSIGN_OR_RAISE(whole, arrow::MakeEmptyArray(column.type()));
  } else {
    ARROW_ASSIGN_OR_RAISE(whole, arrow::Concatenate(column.chunks()));
  }
  ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(whole, type));
  return cast.make_array();
}

/// Whether two tables have a row in common, in these columns of theirs.
Result<bool> HaveCommonRow(const arrow::Table& one, const std::vector<std::string>& of_one,
                           const arrow::Table& other, const std::vector<std::string>& of_other,
                           const arrow::FieldVector& types) {
  arrow::ArrayVector left, right;
  for (size_t i = 0; i < types.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(left.emplace_back(),
                          AsType(*one.GetColumnByName(of_one[i]), types[i]->type()));
    ARROW_ASSIGN_OR_RAISE(right.emplace_back(),
                          AsType(*other.GetColumnByName(of_other[i]), types[i]->type()));
  }
  ARROW_ASSIGN_OR_RAISE(const SortKeys left_keys, SortKeys::Encode(left));
  ARROW_ASSIGN_OR_RAISE(const SortKeys right_keys, SortKeys::Encode(right));
  std::unordered_set<std::string> wanted;
  for (int64_t i = 0; i < right_keys.size(); ++i) {
    if (right_keys.valid(i)) wanted.insert(right_keys.ToBytes(i));
  }
  for (int64_t i = 0; i < left_keys.size(); ++i) {
    if (left_keys.valid(i) && wanted.contains(left_keys.ToBytes(i))) return true;
  }
  return false;
}

}  // namespace

std::string DatasetErasure::FolderOf(const Ref& view) const {
  return JoinPath(JoinPath(root_, "training_datasets"), view.ToText());
}

Result<bool> DatasetErasure::Holds(const TrainingDatasetDefinition& dataset,
                                   const std::vector<Ref>& groups, const arrow::Table& keys) {
  ARROW_ASSIGN_OR_RAISE(const auto plan, views_->Plan(dataset.view));
  std::shared_ptr<arrow::Table> spine;
  const std::vector<std::string> names = keys.ColumnNames();
  for (size_t g = 0; g < plan->groups().size(); ++g) {
    const ViewGroup& group = plan->groups()[g];
    if (std::find(groups.begin(), groups.end(), group.definition.ref()) == groups.end()) continue;
    if (spine == nullptr) {
      ARROW_ASSIGN_OR_RAISE(
          spine, ReadSpine(file_system_.get(), FolderOf(dataset.view),
                           {.name = dataset.spine_file, .sha256 = dataset.spine_sha256}));
    }
    // The spine's columns by which the group is looked up. Where the spine has them not, another
    // group's row says them, which is that group's to forget.
    std::vector<std::string> left;
    arrow::FieldVector types;
    for (const std::string& name : names) {
      const auto& primary_key = group.definition.primary_key;
      const auto at = static_cast<size_t>(
          std::find(primary_key.begin(), primary_key.end(), name) - primary_key.begin());
      const std::string column = g == 0 ? name : group.left_keys[at];
      if (spine->GetColumnByName(column) == nullptr) break;
      left.push_back(column);
      types.push_back(group.key_schema->GetFieldByName(name));
    }
    if (left.size() != names.size()) continue;
    const Result<bool> common = HaveCommonRow(*spine, left, keys, names, types);
    if (!common.ok()) {
      return Explain(common.status(),
                     "the spine of training dataset '" + dataset.ref().ToText() + "'");
    }
    if (*common) return true;
  }
  return false;
}

Result<std::vector<std::string>> DatasetErasure::Find(
    const std::optional<Ref>& group, const std::shared_ptr<arrow::Table>& keys) {
  const std::vector<std::string> names = keys->ColumnNames();
  std::vector<Ref> groups;
  ARROW_ASSIGN_OR_RAISE(const auto all, tables_->List());
  std::optional<Ref> only;
  if (group) {
    ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables_->Definition(*group));
    only = definition.ref();
  }
  for (const FeatureGroupDefinition& one : all) {
    const bool has_all =
        std::all_of(names.begin(), names.end(),
                    [&](const std::string& name) { return Contains(one.primary_key, name); });
    if (!names.empty() && has_all && (!only || *only == one.ref())) groups.push_back(one.ref());
  }
  std::vector<std::string> found;
  ARROW_ASSIGN_OR_RAISE(const auto entries, catalog_->List(Kind::kTrainingDataset));
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(auto dataset, TrainingDatasetDefinition::FromJson(entry.definition));
    dataset.version = entry.ref.version;
    if (dataset.spine_file.empty()) continue;
    const std::string path = JoinPath(FolderOf(dataset.view), dataset.spine_file);
    ARROW_ASSIGN_OR_RAISE(const bool there, file_system_->Exists(path));
    bool holds = !there;  // an erasure that was cut off has removed it
    if (there) {
      ARROW_ASSIGN_OR_RAISE(holds, Holds(dataset, groups, *keys));
    }
    if (holds) found.push_back(entry.ref.ToText());
  }
  return found;
}

Status DatasetErasure::ForgetOne(const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(name));
  for (int tries = 0; tries < kMaxUpdates; ++tries) {
    ARROW_ASSIGN_OR_RAISE(const auto entry, catalog_->Find(Kind::kTrainingDataset, ref));
    if (!entry) return Status::OK();  // dropped since, and its spine with it
    ARROW_ASSIGN_OR_RAISE(auto dataset, TrainingDatasetDefinition::FromJson(entry->definition));
    if (!dataset.spine_file.empty()) {
      // The file before the entry that names it: cut off in between, a second call sees it gone.
      const std::string folder = FolderOf(dataset.view);
      const std::string path = JoinPath(folder, dataset.spine_file);
      ARROW_ASSIGN_OR_RAISE(const bool there, file_system_->Exists(path));
      if (there) {
        ARROW_RETURN_NOT_OK(file_system_->Remove(path));
        ARROW_RETURN_NOT_OK(file_system_->SyncDirectory(folder));
      }
    }
    dataset.has_spine = false;
    dataset.spine_file.clear();
    dataset.spine_sha256.clear();
    dataset.statistics.clear();
    dataset.class_balance.clear();
    if (dataset.lost.empty()) {
      dataset.lost = "entities that it was made of were erased on " +
                     FormatTime(clock_->NowMicros());
    }
    const Status updated =
        catalog_->Update(Kind::kTrainingDataset, ref, entry->revision, dataset.ToJson()).status();
    if (!updated.IsCancelled()) return updated;
  }
  return Status::Cancelled("training dataset '", name, "' is being changed by others at once; ",
                           "erase again");
}

Status DatasetErasure::Forget(const std::vector<std::string>& datasets, ErasureReport* report) {
  std::set<std::string> lost(datasets.begin(), datasets.end());
  lost.insert(report->lost_datasets.begin(), report->lost_datasets.end());
  for (const std::string& name : lost) ARROW_RETURN_NOT_OK(ForgetOne(name));
  report->lost_datasets.assign(lost.begin(), lost.end());
  ARROW_ASSIGN_OR_RAISE(const auto models, catalog_->List(Kind::kModel));
  for (const CatalogEntry& entry : models) {
    ARROW_ASSIGN_OR_RAISE(const auto model, ModelDefinition::FromJson(entry.definition));
    if (model.training_dataset && lost.contains(model.training_dataset->ToText())) {
      report->models.push_back(entry.ref.ToText());
    }
  }
  return Status::OK();
}

}  // namespace tercet
