#pragma once

#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/catalog_index.h"
#include "catalog/model.h"
#include "feature/sql_step.h"
#include "lineage/lineage.h"
#include "offline/feature_tables.h"
#include "platform/discovery.h"
#include "view/feature_views.h"

namespace tercet {

/// Discovery on a directory. Borrows what it is made of.
class LocalDiscovery : public Discovery {
 public:
  LocalDiscovery(Catalog* catalog, FeatureTables* tables, FeatureViews* views,
                 std::unique_ptr<CatalogIndex> index)
      : catalog_(catalog),
        tables_(tables),
        views_(views),
        index_(std::move(index)),
        lineage_(catalog, tables, views, index_.get()) {}

  Result<LineageGraph> Lineage(const LineageRequest& request) override {
    return lineage_.Of(request);
  }
  Result<ImpactReport> ImpactOf(const std::string& object) override {
    return lineage_.ImpactOf(object);
  }
  Result<Annotation> Annotate(const std::string& object, const AnnotationChange& change) override;
  Result<Annotation> GetAnnotation(const std::string& object) override;
  Result<std::vector<SearchHit>> Search(const std::string& query, int64_t limit) override;

  /// Notes which columns of the groups in `pins` a step in SQL reads, unless that is known of this
  /// query over these columns. Costs planning the query once a column.
  Status FollowStep(const SqlStep& step, const Ref& target,
                    const std::map<std::string, int64_t>& pins);

  /// A drop that was refused since others depend on the noun, with the deployments that answer
  /// requests with it now; any other status as it is.
  Status Refused(const Status& dropped, Kind kind, const Ref& ref);

  /// Puts what is said of a noun now in place of what its definition says.
  Status Describe(FeatureGroupDefinition* group);
  Status Describe(FeatureViewDefinition* view);
  Status Describe(ModelDefinition* model);
  Status Describe(Deployment* deployment);

 private:
  /// The noun that is named, as a whole.
  Result<CatalogEntry> EntryOf(const std::string& object);
  Result<std::vector<std::string>> ColumnsOf(const CatalogEntry& entry);
  Result<Annotation> SaidOf(Kind kind, const Ref& ref, const std::string& description,
                            const std::map<std::string, std::string>& tags);

  Catalog* const catalog_;
  FeatureTables* const tables_;
  FeatureViews* const views_;
  const std::unique_ptr<CatalogIndex> index_;
  tercet::Lineage lineage_;
};

}  // namespace tercet
