#include <algorithm>
#include <filesystem>

#include <arrow/compute/api_vector.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/parallel.h"
#include "case_file.h"
#include "catalog/catalog.h"
#include "compute/sort_key.h"
#include "compute/transformation.h"
#include "feature/ingest.h"
#include "online/online_store.h"
#include "view/point_in_time_read.h"
#include "view/vector_lookup.h"
#include "view/vector_read.h"

namespace tercet {
namespace {

std::vector<std::string> CaseFiles() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator("tests/cases")) {
    if (entry.path().extension() == ".case") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// One case in a project of its own. Its clock stands before all rows, so that the online store
/// keeps every one of them (all are dated ahead) and can be asked as of any time.
class Case : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    InitializeArrow();
    std::filesystem::create_directories(root_);
    auto file = CaseFile::Read(GetParam());
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    file_ = *std::move(file);
    catalog_ = Catalog::Open(JoinPath(root_, "catalog.sqlite"), &clock_).ValueOrDie();
    tables_ = std::make_unique<FeatureTables>(catalog_.get(), LocalFileSystem(), root_, &clock_);
  }
  void TearDown() override {
    stores_.clear();
    tables_.reset();
    catalog_.reset();
    std::filesystem::remove_all(root_);
  }

  OnlineStore* Store(const std::string& name) {
    stores_.push_back(OnlineStore::Open(JoinPath(root_, name), &clock_).ValueOrDie());
    return stores_.back().get();
  }

  Status Follow(OnlineStore* store) {
    for (const FeatureGroupDefinition& group : file_.groups) {
      if (!group.online) continue;
      ARROW_ASSIGN_OR_RAISE(const auto table, tables_->Get(group.ref()));
      ARROW_ASSIGN_OR_RAISE(const auto head, table->Head());
      ARROW_RETURN_NOT_OK(SyncOnline(tables_.get(), store, group.ref(), head->version()));
    }
    return Status::OK();
  }

  Status Apply(const CaseFile::Step& step) {
    clock_.Advance(1);
    ARROW_ASSIGN_OR_RAISE(const auto definition, tables_->Definition({step.group, 1}));
    ARROW_ASSIGN_OR_RAISE(const auto table, tables_->Get({step.group, 1}));
    if (step.kind == CaseFile::Step::kCompact) return table->Compact().status();
    auto schema = definition.schema;
    if (step.kind == CaseFile::Step::kDelete) {
      arrow::FieldVector fields;
      for (const std::string& key : definition.primary_key) {
        fields.push_back(schema->GetFieldByName(key));
      }
      if (!step.rows.empty() && step.rows[0].size() > fields.size()) {
        fields.push_back(schema->GetFieldByName(definition.event_time));
      }
      schema = arrow::schema(fields);
    }
    ARROW_ASSIGN_OR_RAISE(const auto rows, case_text::ToBatch(step.rows, schema));
    ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::RecordBatchReader::Make({rows}, schema));
    if (step.kind == CaseFile::Step::kDelete) return table->Delete(reader).status();
    return table->Write(reader, {.mode = step.mode, .idempotency_key = ""}).status();
  }

  /// The spine's columns have the types of what they name.
  Result<std::shared_ptr<arrow::RecordBatch>> Spine(const ViewPlan& plan) const {
    const auto& root = plan.groups()[0].definition;
    arrow::FieldVector fields;
    for (const std::string& name : file_.spine_columns) {
      std::shared_ptr<arrow::DataType> type = EventTimeType();
      if (const auto field = root.schema->GetFieldByName(name)) type = field->type();
      for (const auto& [parameter, text] : plan.definition().request_parameters) {
        if (parameter != name) continue;
        ARROW_ASSIGN_OR_RAISE(type, TypeFromText(text));
      }
      for (const ViewColumn& column : plan.columns()) {
        if (column.name == name) type = column.type;
      }
      fields.push_back(arrow::field(name, type));
    }
    return case_text::ToBatch(file_.spine, arrow::schema(fields));
  }

  /// Without a spine the root's own rows are the requests.
  Result<std::shared_ptr<arrow::RecordBatch>> RootAsSpine(const ViewPlan& plan) const {
    ARROW_ASSIGN_OR_RAISE(const auto table, tables_->Get(plan.groups()[0].definition.ref()));
    ARROW_ASSIGN_OR_RAISE(const auto head, table->Head());
    ARROW_ASSIGN_OR_RAISE(const auto reader, head->Scan({}));
    ARROW_ASSIGN_OR_RAISE(const auto rows, reader->ToTable());
    return rows->CombineChunksToBatch();
  }

  CaseFile file_;
  ManualClock clock_{0};
  const std::string root_ =
      (std::filesystem::temp_directory_path() / ("tercet-case-" + NewUuid())).string();
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<FeatureTables> tables_;
  std::vector<std::unique_ptr<OnlineStore>> stores_;
};

std::shared_ptr<arrow::RecordBatch> OneBatch(const std::shared_ptr<arrow::Table>& table) {
  return table->CombineChunksToBatch().ValueOrDie();
}

void ExpectEqual(const arrow::RecordBatch& actual, const arrow::RecordBatch& expected,
                 const std::string& what) {
  const auto options = arrow::EqualOptions::Defaults().nans_equal(true);
  ASSERT_EQ(actual.num_rows(), expected.num_rows()) << what;
  for (int c = 0; c < expected.num_columns(); ++c) {
    const auto column = actual.GetColumnByName(expected.column_name(c));
    ASSERT_NE(column, nullptr) << what << " has no column " << expected.column_name(c);
    ASSERT_TRUE(column->type()->Equals(*expected.column(c)->type()))
        << what << ": " << expected.column_name(c) << " is " << column->type()->ToString()
        << ", not " << expected.column(c)->type()->ToString();
    EXPECT_TRUE(column->Equals(*expected.column(c), options))
        << what << ": " << expected.column_name(c) << " is " << column->ToString() << ", not "
        << expected.column(c)->ToString();
  }
}

std::shared_ptr<arrow::RecordBatch> Project(const std::shared_ptr<arrow::Table>& columns,
                                            const arrow::Schema& schema) {
  std::vector<int> indices;
  for (const auto& field : schema.fields()) {
    indices.push_back(columns->schema()->GetFieldIndex(field->name()));
  }
  return OneBatch(columns->SelectColumns(indices).ValueOrDie());
}

/// Those of `batch` at `rows`.
std::shared_ptr<arrow::RecordBatch> RowsAt(const std::shared_ptr<arrow::RecordBatch>& batch,
                                           const std::vector<int64_t>& rows) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(rows).ok());
  return arrow::compute::Take(batch, builder.Finish().ValueOrDie()).ValueOrDie().record_batch();
}

/// Where a view's vectors are plain, they are the same when read in place, one entity at a time.
void ExpectPlainVectorsEqual(const std::shared_ptr<const ViewPlan>& plan, OnlineStore* store,
                             const arrow::RecordBatch& spine, const std::vector<int64_t>& times,
                             const std::string& what) {
  const auto lookup = VectorLookup::Make(plan);
  if (lookup == nullptr) return;
  arrow::ArrayVector columns;
  for (const auto& field : lookup->entities()->fields()) {
    columns.push_back(spine.GetColumnByName(field->name()));
    // A spine that passes features in may leave out what they would be looked up by.
    if (columns.back() == nullptr || !columns.back()->type()->Equals(*field->type())) return;
  }
  const auto entities =
      arrow::RecordBatch::Make(lookup->entities(), spine.num_rows(), std::move(columns));
  const auto whole = ReadVectors(*plan, store, entities, times);
  ASSERT_TRUE(whole.ok()) << what << ": " << whole.status().ToString();
  VectorCells vector;
  for (int64_t i = 0; i < entities->num_rows(); ++i) {
    std::vector<Cell> entity;
    for (const auto& column : entities->columns()) entity.push_back(CellOf(*column, i));
    const auto read = lookup->Read(store, entity, times[static_cast<size_t>(i)], &vector);
    ASSERT_TRUE(read.ok()) << what << ": " << read.status().ToString();
    ASSERT_TRUE(*read) << what;
    for (int f = 0; f < whole->features->num_columns(); ++f) {
      const Cell expected = CellOf(*whole->features->column(f), i);
      const Cell actual = vector.features[static_cast<size_t>(f)];
      EXPECT_EQ(actual.null(), expected.null()) << what << ", row " << i << ", feature " << f;
      EXPECT_EQ(actual.bytes(), expected.bytes()) << what << ", row " << i << ", feature " << f;
      EXPECT_EQ(vector.status[static_cast<size_t>(f)],
                whole->status[static_cast<size_t>(f)][static_cast<size_t>(i)])
          << what << ", row " << i << ", feature " << f;
    }
  }
}

TEST_P(Case, BatchAndOnlineGiveTheExpectedAnswer) {
  // The tables, and a store that follows each commit.
  for (const FeatureGroupDefinition& group : file_.groups) {
    const auto defined = tables_->Define(group);
    ASSERT_TRUE(defined.ok()) << defined.status().ToString();
  }
  OnlineStore* follower = Store("follower");
  ASSERT_TRUE(Follow(follower).ok());
  for (const CaseFile::Step& step : file_.steps) {
    Status status = Apply(step);
    if (status.ok()) status = Follow(follower);
    if (!status.ok() && !file_.error.empty()) {
      EXPECT_NE(status.ToString().find(file_.error), std::string::npos) << status.ToString();
      return;
    }
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  const auto made = ViewPlan::Make(
      file_.view, [this](const Ref& ref) { return tables_->Definition(ref); });
  if (!made.ok()) {
    ASSERT_FALSE(file_.error.empty()) << made.status().ToString();
    EXPECT_NE(made.status().ToString().find(file_.error), std::string::npos)
        << made.status().ToString();
    return;
  }
  const ViewPlan& plan = **made;
  ViewReadOptions options;
  const auto spine = file_.has_spine ? Spine(plan) : RootAsSpine(plan);
  ASSERT_TRUE(spine.ok()) << spine.status().ToString();
  if (file_.has_spine) {
    options.spine = arrow::Table::FromRecordBatches({*spine}).ValueOrDie();
  }

  // Batch.
  const auto read = ReadView(plan, tables_.get(), options);
  if (!file_.error.empty()) {
    ASSERT_FALSE(read.ok()) << "the view was read, but should fail with: " << file_.error;
    EXPECT_NE(read.status().ToString().find(file_.error), std::string::npos)
        << read.status().ToString();
    return;
  }
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  std::vector<int64_t> kept;
  std::vector<CaseFile::Row> kept_rows;
  for (size_t i = 0; i < file_.expect.size(); ++i) {
    if (file_.expect[i] == CaseFile::Row{"dropped"}) continue;
    kept.push_back(static_cast<int64_t>(i));
    kept_rows.push_back(file_.expect[i]);
  }
  ASSERT_EQ(file_.expect.size(), static_cast<size_t>((*spine)->num_rows()));

  std::vector<FittedTransformation> fitted;
  auto features = Project(read->columns, *plan.feature_schema());
  auto training = arrow::Table::FromRecordBatches({features}).ValueOrDie();
  for (const TransformationDefinition& t : plan.definition().transformations) {
    const auto fit = FitTransformation(t.kind, t.columns, t.options, *training);
    ASSERT_TRUE(fit.ok()) << fit.status().ToString();
    fitted.push_back(*fit);
    const auto next = TransformationPlan::Make({*fit}, training->schema()).ValueOrDie();
    training = arrow::Table::FromRecordBatches({next->Apply(OneBatch(training)).ValueOrDie()})
                   .ValueOrDie();
  }
  const auto transformations =
      TransformationPlan::Make(fitted, plan.feature_schema()).ValueOrDie();
  const auto transformed = transformations->Apply(features).ValueOrDie();

  // What is expected is named; a name is that of a transformed feature, a label or a helper.
  arrow::FieldVector fields;
  for (const std::string& name : file_.expect_columns) {
    auto field = transformed->schema()->GetFieldByName(name);
    if (field == nullptr) field = read->columns->schema()->GetFieldByName(name);
    ASSERT_NE(field, nullptr) << "no column " << name;
    fields.push_back(arrow::field(name, field->type()));
  }
  const auto expected = case_text::ToBatch(kept_rows, arrow::schema(fields));
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  arrow::ArrayVector answered;
  const auto all = OneBatch(read->columns);
  for (const auto& field : fields) {
    auto column = transformed->GetColumnByName(field->name());
    answered.push_back(column != nullptr ? column : all->GetColumnByName(field->name()));
  }
  ExpectEqual(*arrow::RecordBatch::Make(arrow::schema(fields), all->num_rows(), answered),
              **expected, "batch");

  // Online, from a store that followed and one that was loaded whole.
  OnlineStore* loaded = Store("loaded");
  ASSERT_TRUE(Follow(loaded).ok());
  const std::string root_time = plan.groups()[0].definition.event_time;
  auto time_column = root_time.empty() ? nullptr : (*spine)->GetColumnByName(root_time);
  if (time_column == nullptr) time_column = (*spine)->GetColumnByName(kEventTime);
  std::vector<int64_t> times((*spine)->num_rows(), std::numeric_limits<int64_t>::max());
  if (time_column != nullptr) {
    const auto micros = EventTimeMicros(*time_column).ValueOrDie();
    for (int64_t i = 0; i < micros->length(); ++i) times[i] = micros->Value(i);
  }
  for (OnlineStore* store : {follower, loaded}) {
    const std::string what = store == follower ? "online" : "online, loaded";
    const auto whole = ReadVectors(plan, store, *spine, times);
    ASSERT_TRUE(whole.ok()) << what << ": " << whole.status().ToString();
    ExpectEqual(*RowsAt(whole->features, kept), *features, what);
    ExpectEqual(*RowsAt(transformations->Apply(whole->features).ValueOrDie(), kept), *transformed,
                what + ", transformed");
    for (int64_t i = 0; i < (*spine)->num_rows(); ++i) {
      const auto one = ReadVectors(plan, store, (*spine)->Slice(i, 1), {times[i]});
      ASSERT_TRUE(one.ok()) << what << ": " << one.status().ToString();
      ExpectEqual(*one->features, *whole->features->Slice(i, 1), what + ", one by one");
    }
    // Twice: from RocksDB, then from memory.
    for (int turn = 0; turn < 2; ++turn) {
      ExpectPlainVectorsEqual(*made, store, **spine, times, what + ", in place");
    }
    for (size_t c = 0; c < file_.status_columns.size(); ++c) {
      const int f = plan.feature_schema()->GetFieldIndex(file_.status_columns[c]);
      ASSERT_GE(f, 0) << "no feature " << file_.status_columns[c];
      for (size_t i = 0; i < file_.status.size(); ++i) {
        EXPECT_EQ(RowStatusName(whole->status[f][i]), file_.status[i].at(c))
            << what << ": status of " << file_.status_columns[c] << " in row " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Case, testing::ValuesIn(CaseFiles()), [](const auto& info) {
  std::string name = std::filesystem::path(info.param).stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace tercet
