#include "platform/local_discovery.h"

#include "base/hash.h"
#include "catalog/definition_json.h"
#include "catalog/model.h"
#include "catalog/object_name.h"
#include "catalog/search_documents.h"
#include "offline/sql_columns.h"
#include "platform/local_platform.h"

namespace tercet {

Result<CatalogEntry> LocalDiscovery::EntryOf(const std::string& object) {
  ARROW_ASSIGN_OR_RAISE(FoundObject found, FindNamed(catalog_, object));
  if (found.column.empty()) return std::move(found.entry);
  return Status::Invalid("'", object, "' names a column; name what has it, and say what is said of "
                         "its columns as 'features'");
}

Result<std::vector<std::string>> LocalDiscovery::ColumnsOf(const CatalogEntry& entry) {
  if (entry.kind == Kind::kFeatureGroup) {
    ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, tables_->Definition(entry.ref));
    if (group.schema == nullptr) return std::vector<std::string>();
    return group.schema->field_names();
  }
  if (entry.kind == Kind::kFeatureView) {
    ARROW_ASSIGN_OR_RAISE(const auto plan, views_->Plan(entry.ref));
    std::vector<std::string> names;
    for (const ViewColumn& column : plan->columns()) names.push_back(column.name);
    return names;
  }
  return ColumnsIn(entry.kind, entry.definition);
}

Result<Annotation> LocalDiscovery::Annotate(const std::string& object,
                                            const AnnotationChange& change) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, EntryOf(object));
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> columns, ColumnsOf(entry));
  return index_->Change(entry, change, columns);
}

Result<Annotation> LocalDiscovery::GetAnnotation(const std::string& object) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, EntryOf(object));
  return index_->Get(entry);
}

Result<std::vector<SearchHit>> LocalDiscovery::Search(const std::string& query, int64_t limit) {
  // A group's table may have columns that its definition does not know: those of a first insert,
  // and those that another engine added.
  ARROW_ASSIGN_OR_RAISE(const auto groups, tables_->List());
  for (const FeatureGroupDefinition& group : groups) {
    if (group.schema == nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(const auto entry, catalog_->Find(Kind::kFeatureGroup, group.ref()));
    if (!entry) continue;  // dropped since
    const Status followed = index_->FollowColumns(*entry, group.schema->field_names());
    if (!followed.ok() && !followed.IsKeyError()) return followed;
  }
  return index_->Search(query, limit);
}

Status LocalDiscovery::FollowStep(const SqlStep& step, const Ref& target,
                                  const std::map<std::string, int64_t>& pins) {
  // What "*" stands for is told by the groups' columns.
  std::string content = step.query;
  for (const auto& [name, version] : pins) {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(name));
    ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, tables_->Definition(ref));
    content += "\n" + name;
    if (group.schema == nullptr) continue;
    for (const std::string& column : group.schema->field_names()) content += "\t" + column;
  }
  StepColumns found{
      .target = target.ToText(), .name = step.name, .text_sha256 = Sha256Hex(content)};
  ARROW_ASSIGN_OR_RAISE(const auto known, index_->Steps());
  for (const StepColumns& one : known) {
    const bool same = one.target == found.target && one.name == found.name &&
                      one.text_sha256 == found.text_sha256;
    if (same) return Status::OK();
  }
  std::map<std::string, int64_t> times;
  if (!step.watermark.empty()) times["watermark"] = 0;
  ARROW_ASSIGN_OR_RAISE(const SqlColumns columns, FindSqlColumns(tables_, step.query, times));
  for (const auto& [column, sources] : columns.columns) {
    found.columns[column].assign(sources.begin(), sources.end());
  }
  found.rows.assign(columns.rows.begin(), columns.rows.end());
  return index_->PutStep(target, found);
}

Status LocalDiscovery::Refused(const Status& dropped, Kind kind, const Ref& ref) {
  if (!dropped.IsInvalid()) return dropped;
  const Result<ImpactReport> impact =
      lineage_.ImpactOf(std::string(KindName(kind)) + ":" + NounName(kind, ref));
  if (!impact.ok()) return dropped;  // why it was refused is told all the same
  std::string serving;
  for (const ImpactReport::Item& item : impact->broken) {
    if (item.kind != "deployment" || !item.served) continue;
    serving += (serving.empty() ? "'" : ", '") + item.name + "'";
  }
  if (serving.empty()) return dropped;
  return dropped.WithMessage(dropped.message(),
                             "; requests are answered with it now by deployment ", serving);
}

Result<Annotation> LocalDiscovery::SaidOf(Kind kind, const Ref& ref,
                                          const std::string& description,
                                          const std::map<std::string, std::string>& tags) {
  return index_->Get({.kind = kind,
                      .ref = ref,
                      .definition = {{"description", description}, {"tags", ToJsonObject(tags)}}});
}

Status LocalDiscovery::Describe(FeatureGroupDefinition* group) {
  ARROW_ASSIGN_OR_RAISE(const Annotation said, SaidOf(Kind::kFeatureGroup, group->ref(),
                                                      group->description, group->tags));
  group->description = said.description;
  group->tags = said.tags;
  return Status::OK();
}

Status LocalDiscovery::Describe(FeatureViewDefinition* view) {
  ARROW_ASSIGN_OR_RAISE(const Annotation said, SaidOf(Kind::kFeatureView, view->ref(),
                                                      view->description, view->tags));
  view->description = said.description;
  view->tags = said.tags;
  return Status::OK();
}

Status LocalDiscovery::Describe(ModelDefinition* model) {
  ARROW_ASSIGN_OR_RAISE(const Annotation said,
                        SaidOf(Kind::kModel, model->ref(), model->description, model->tags));
  model->description = said.description;
  model->tags = said.tags;
  return Status::OK();
}

Status LocalDiscovery::Describe(Deployment* deployment) {
  ARROW_ASSIGN_OR_RAISE(const Annotation said, SaidOf(Kind::kDeployment, {deployment->name, 1},
                                                      deployment->description, {}));
  deployment->description = said.description;
  return Status::OK();
}

Discovery* LocalPlatform::discovery() { return discovery_.get(); }

}  // namespace tercet
