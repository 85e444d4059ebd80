#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>

#include "base/sanitized.h"
#include "view/point_in_time_read.h"
#include "view/test_project.h"

extern char** environ;

namespace tercet {
namespace {

/// All pieces of a stream as one answer; `pieces` receives how many there were.
ViewRows Together(ViewStream* stream, int* pieces) {
  ViewRows whole;
  std::vector<std::shared_ptr<arrow::Table>> columns, keys;
  arrow::ArrayVector times;
  *pieces = 0;
  while (true) {
    const auto next = stream->Next();
    EXPECT_TRUE(next.ok()) << next.status().ToString();
    if (!next.ok() || !*next) break;
    ++*pieces;
    columns.push_back((*next)->columns);
    keys.push_back((*next)->keys);
    if ((*next)->event_time != nullptr) {
      for (const auto& chunk : (*next)->event_time->chunks()) times.push_back(chunk);
    }
    whole.pins = (*next)->pins;
  }
  whole.columns = arrow::ConcatenateTables(columns).ValueOrDie();
  whole.keys = arrow::ConcatenateTables(keys).ValueOrDie();
  whole.event_time = std::make_shared<arrow::ChunkedArray>(times, EventTimeType());
  return whole;
}

class ViewStreamTest : public FlightsProject {
 protected:
  /// More flights than the least piece has, with weather for some of their hours.
  void SetUp() override {
    FlightsProject::SetUp();
    arrow::Int64Builder flight, late;
    arrow::TimestampBuilder departure(Time(), arrow::default_memory_pool());
    arrow::StringBuilder origin, carrier;
    arrow::DoubleBuilder distance;
    for (int64_t i = 0; i < 11'000; ++i) {
      EXPECT_TRUE(flight.Append(i).ok() && late.Append(i % 3 == 0).ok() &&
                  departure.Append((i * 7919 % 9000) * kHour / 4).ok() &&
                  origin.Append(std::array{"JFK", "LGA", "EWR"}[i % 3]).ok() &&
                  carrier.Append("AA").ok() && distance.Append(static_cast<double>(i % 700)).ok());
    }
    Insert({"flights", 1},
           arrow::Table::Make(arrow::schema(FlightFields()),
                              {flight.Finish().ValueOrDie(), departure.Finish().ValueOrDie(),
                               origin.Finish().ValueOrDie(), carrier.Finish().ValueOrDie(),
                               distance.Finish().ValueOrDie(), late.Finish().ValueOrDie()}));
    std::string weather;
    for (int64_t hour = 0; hour < 2000; hour += 2) {
      weather += (hour == 0 ? "" : ", ") + std::string("[\"") + (hour % 4 == 0 ? "JFK" : "LGA") +
                 "\", " + std::to_string(hour * kHour) + ", " + std::to_string(hour % 30) + "]";
    }
    Insert({"weather", 1}, TableOf(WeatherFields(), "[" + weather + "]"));
  }

  std::shared_ptr<const ViewPlan> Plan(const FeatureViewDefinition& view) {
    return ViewPlan::Make(view, [&](const Ref& ref) { return tables_->Definition(ref); })
        .ValueOrDie();
  }

  static FeatureViewDefinition View() {
    FeatureViewDefinition view{.name = "delay"};
    view.root = {.group = {"flights", 1}, .features = {"distance", "late"}};
    view.joins = {{.group = {"weather", 1}}};
    return view;
  }

  void ExpectSame(const FeatureViewDefinition& view, ViewReadOptions options) {
    const auto plan = Plan(view);
    const auto expected = ReadView(*plan, tables_.get(), options);
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    options.memory_limit_bytes = 1;  // the least pieces
    const auto stream = ViewStream::Open(plan.get(), tables_.get(), options).ValueOrDie();
    int pieces = 0;
    const ViewRows rows = Together(stream.get(), &pieces);
    EXPECT_EQ(pieces, 3);
    EXPECT_TRUE(rows.columns->Equals(*expected->columns));
    EXPECT_TRUE(rows.keys->Equals(*expected->keys));
    EXPECT_TRUE(rows.event_time->Equals(*expected->event_time));
    EXPECT_EQ(rows.pins, expected->pins);
    EXPECT_GT(rows.columns->num_rows(), 0);
  }

  /// 11,000 rows, later ones first.
  std::shared_ptr<arrow::Table> Spine() {
    arrow::Int64Builder flight;
    arrow::TimestampBuilder time(Time(), arrow::default_memory_pool());
    for (int64_t i = 0; i < 11'000; ++i) {
      EXPECT_TRUE(flight.Append(i * 31 % 12'000).ok() &&
                  time.Append((11'000 - i) * kHour / 5).ok());
    }
    return arrow::Table::Make(
        arrow::schema({arrow::field("flight", arrow::int64()), arrow::field("departure", Time())}),
        {flight.Finish().ValueOrDie(), time.Finish().ValueOrDie()});
  }
};

TEST_F(ViewStreamTest, GivesTheRowsOfTheRoot) { ExpectSame(View(), {}); }

TEST_F(ViewStreamTest, LeavesRowsOut) {
  FeatureViewDefinition view = View();
  view.joins[0].type = JoinType::kInner;
  view.filter = "distance > 100";
  ExpectSame(view, {});
}

TEST_F(ViewStreamTest, LooksUpWhatASpineLacks) {
  ViewReadOptions options;
  options.spine = Spine();
  ExpectSame(View(), options);
}

TEST_F(ViewStreamTest, TakesASpineOfNoRows) {
  ViewReadOptions options;
  options.spine = Spine()->Slice(0, 0);
  const auto plan = Plan(View());
  const auto stream = ViewStream::Open(plan.get(), tables_.get(), options).ValueOrDie();
  int pieces = 0;
  const ViewRows rows = Together(stream.get(), &pieces);
  EXPECT_EQ(pieces, 1);
  EXPECT_EQ(rows.columns->num_rows(), 0);
  EXPECT_EQ(rows.columns->num_columns(), 3);
}

/// Rows of the view's root in the order of the weather's keys, beginning with places and times of
/// which nothing is known.
std::shared_ptr<arrow::Table> InOrderOfOrigin(int64_t rows) {
  arrow::Int64Builder flight, late;
  arrow::TimestampBuilder departure(EventTimeType(), arrow::default_memory_pool());
  arrow::StringBuilder origin;
  arrow::DoubleBuilder distance;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t place = i * 4 / rows, within = i - place * rows / 4;
    EXPECT_TRUE(flight.Append(i).ok() && late.Append(i % 2).ok() &&
                departure.Append(within * (2500 * kHour / rows * 4) - 20 * kHour).ok() &&
                origin.Append(std::array{"ABE", "JFK", "LGA", "ORD"}[place]).ok() &&
                distance.Append(static_cast<double>(i)).ok());
  }
  return arrow::Table::Make(
      arrow::schema(
          {arrow::field("flight", arrow::int64()), arrow::field("departure", EventTimeType()),
           arrow::field("origin", arrow::utf8()), arrow::field("distance", arrow::float64()),
           arrow::field("late", arrow::int64())}),
      {flight.Finish().ValueOrDie(), departure.Finish().ValueOrDie(), origin.Finish().ValueOrDie(),
       distance.Finish().ValueOrDie(), late.Finish().ValueOrDie()});
}

TEST_F(ViewStreamTest, TakesLeftRowsInOrder) {
  ViewReadOptions options;
  options.spine = InOrderOfOrigin(11'000);
  ExpectSame(View(), options);
}

TEST_F(ViewStreamTest, UsesTheMemoryOfPiecesAgain) {
  constexpr int64_t kRows = 1'300'000;
  ViewReadOptions options;
  options.spine = InOrderOfOrigin(kRows);
  const auto plan = Plan(View());
  const auto expected = ReadView(*plan, tables_.get(), options);
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  const auto stream = ViewStream::Open(plan.get(), tables_.get(), options).ValueOrDie();
  ASSERT_GT(stream->piece_rows(), kRows / 2);  // it takes fewer where it can
  int64_t begin = 0;
  std::set<const void*> places;
  int pieces = 0;
  while (true) {
    const auto piece = stream->Next();
    ASSERT_TRUE(piece.ok()) << piece.status().ToString();
    if (!*piece) break;
    const auto& columns = *(*piece)->columns;
    ASSERT_TRUE(columns.Equals(*expected->columns->Slice(begin, columns.num_rows())));
    begin += columns.num_rows();
    places.insert(columns.GetColumnByName("temp")->chunk(0)->data()->buffers[1]->data());
    ++pieces;
  }
  EXPECT_EQ(begin, kRows);
  EXPECT_GT(pieces, 2);
  EXPECT_LE(places.size(), 2);  // one of all pieces but the last
}

TEST_F(ViewStreamTest, NamesTheViewInErrors) {
  ViewReadOptions options;
  options.spine = TableOf({arrow::field("flight", arrow::int64())}, "[[1]]");
  const auto plan = Plan(View());
  const auto stream = ViewStream::Open(plan.get(), tables_.get(), options).ValueOrDie();
  const Status status = stream->Next().status();
  EXPECT_TRUE(status.IsInvalid()) << status.ToString();
  EXPECT_NE(status.message().find("'delay'"), std::string::npos) << status.ToString();
}

// -- more data than memory, in a process that may not have more

constexpr int64_t kLimitBytes = 96 << 20;
constexpr int64_t kLabels = 1'200'000, kNumbered = 1'200'000, kNamed = 250'000;
constexpr int64_t kKeys = 20'000;
constexpr int kFeatures = 8;

uint64_t Mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

std::string NameOf(int64_t key) { return "place " + std::to_string(key); }

/// Labels in random order, made as they are read.
class Labels : public arrow::RecordBatchReader {
 public:
  std::shared_ptr<arrow::Schema> schema() const override {
    return arrow::schema({arrow::field("label", arrow::int64()),
                          arrow::field("number", arrow::int64()),
                          arrow::field("name", arrow::utf8()),
                          arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))});
  }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    if (next_ == kLabels) return Status::OK();
    const int64_t end = std::min<int64_t>(next_ + 50'000, kLabels), begin = next_;
    arrow::Int64Builder label, number;
    arrow::StringBuilder name;
    arrow::TimestampBuilder at(schema()->field(3)->type(), arrow::default_memory_pool());
    for (; next_ < end; ++next_) {
      const uint64_t mixed = Mixed(static_cast<uint64_t>(next_));
      ARROW_RETURN_NOT_OK(label.Append(next_));
      ARROW_RETURN_NOT_OK(number.Append(static_cast<int64_t>(mixed % kKeys)));
      ARROW_RETURN_NOT_OK(name.Append(NameOf(static_cast<int64_t>(mixed >> 20) % kKeys)));
      ARROW_RETURN_NOT_OK(at.Append(static_cast<int64_t>(mixed >> 30) % 1'000'000));
    }
    *batch = arrow::RecordBatch::Make(schema(), end - begin,
                                      {label.Finish().ValueOrDie(), number.Finish().ValueOrDie(),
                                       name.Finish().ValueOrDie(), at.Finish().ValueOrDie()});
    return Status::OK();
  }

 private:
  int64_t next_ = 0;
};

class BoundedJoin : public TestProject {
 protected:
  static FeatureViewDefinition View() {
    FeatureViewDefinition view{.name = "wide"};
    view.root = {.group = {"labels", 1}, .features = {"label", "number", "name"}};
    view.joins = {{.group = {"numbered", 1}, .prefix = "a_"},
                  {.group = {"named", 1}, .prefix = "b_"}};
    return view;
  }

  void Define(const std::string& name, const std::shared_ptr<arrow::Field>& key) {
    FeatureGroupDefinition group{.name = name};
    group.primary_key = {key->name()};
    group.event_time = "at";
    ASSERT_TRUE(tables_->Define(group).ok());
  }

  /// `rows` rows of random keys and times, one in twenty values null.
  void Fill(const std::string& name, const std::shared_ptr<arrow::Field>& key, int64_t rows,
            uint64_t seed) {
    arrow::Int64Builder number;
    arrow::StringBuilder text;
    arrow::TimestampBuilder at(Time(), arrow::default_memory_pool());
    for (int64_t i = 0; i < rows; ++i) {
      const uint64_t mixed = Mixed(seed + static_cast<uint64_t>(i));
      const auto k = static_cast<int64_t>(mixed % kKeys);
      ASSERT_TRUE(number.Append(k).ok() && text.Append(NameOf(k)).ok());
      ASSERT_TRUE(at.Append(static_cast<int64_t>(mixed >> 30) % 1'000'000).ok());
    }
    const bool named = key->type()->id() == arrow::Type::STRING;
    arrow::FieldVector fields{key, arrow::field("at", Time())};
    arrow::ArrayVector columns{(named ? text.Finish() : number.Finish()).ValueOrDie(),
                               at.Finish().ValueOrDie()};
    for (int c = 0; c < kFeatures; ++c) {
      arrow::DoubleBuilder values;
      for (int64_t i = 0; i < rows; ++i) {
        const uint64_t mixed = Mixed(seed * 31 + static_cast<uint64_t>(i * kFeatures + c));
        ASSERT_TRUE((mixed % 20 == 0 ? values.AppendNull()
                                     : values.Append(static_cast<double>(mixed % 100'000)))
                        .ok());
      }
      fields.push_back(arrow::field("f" + std::to_string(c), arrow::float64()));
      columns.push_back(values.Finish().ValueOrDie());
    }
    const auto frame = arrow::Table::Make(arrow::schema(fields), columns);
    const auto table = tables_->GetOrCreate({name, 1}, frame->schema()).ValueOrDie();
    const auto written = table->Write(std::make_shared<arrow::TableBatchReader>(frame),
                                      {.mode = InsertMode::kAppend, .idempotency_key = ""});
    ASSERT_TRUE(written.ok()) << written.status().ToString();
  }
};

/// The child's part: streams the join to Parquet with as much memory as the limit allows it.
TEST_F(BoundedJoin, DISABLED_Child) {
  const char* root = std::getenv("TERCET_TEST_ROOT");
  ASSERT_NE(root, nullptr);
  ManualClock clock(100 * kHour);
  const auto catalog = Catalog::Open(JoinPath(root, "catalog.sqlite"), &clock).ValueOrDie();
  FeatureTables tables(catalog.get(), LocalFileSystem(), root, &clock);
  const auto plan =
      ViewPlan::Make(View(), [&](const Ref& ref) { return tables.Definition(ref); }).ValueOrDie();
  ASSERT_TRUE(ParallelFor(8, [](int64_t) { return Status::OK(); }).ok());  // starts the threads

  std::ifstream status("/proc/self/status");
  int64_t data_bytes = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmData:")) data_bytes = std::atoll(line.c_str() + 7) * 1024;
  }
  ASSERT_GT(data_bytes, 0);
  const auto limit = static_cast<rlim_t>(data_bytes + kLimitBytes);
  const rlimit most{limit, limit};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &most), 0);
  ASSERT_EQ(mmap(nullptr, static_cast<size_t>(kLimitBytes) + (1 << 20), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
            MAP_FAILED);

  ViewReadOptions options;
  options.memory_limit_bytes = kLimitBytes;
  const auto stream =
      ViewStream::Open(plan.get(), &tables, options, std::make_shared<Labels>()).ValueOrDie();
  const auto sink =
      arrow::io::FileOutputStream::Open(JoinPath(root, "answer.parquet")).ValueOrDie();
  std::unique_ptr<parquet::arrow::FileWriter> writer;
  int pieces = 0;
  while (true) {
    const auto piece = stream->Next();
    ASSERT_TRUE(piece.ok()) << piece.status().ToString();
    if (!*piece) break;
    ++pieces;
    const auto& columns = *(*piece)->columns;
    if (writer == nullptr) {
      const auto properties = parquet::WriterProperties::Builder().disable_dictionary()->build();
      writer = parquet::arrow::FileWriter::Open(*columns.schema(), arrow::default_memory_pool(),
                                                sink, properties)
                   .ValueOrDie();
    }
    ASSERT_TRUE(writer->WriteTable(columns, 65536).ok());
  }
  ASSERT_TRUE(writer->Close().ok() && sink->Close().ok());
  ASSERT_GT(pieces, 3);
}

TEST_F(BoundedJoin, HoldsUnderAHardLimit) {
#ifdef TERCET_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory counts, too";
#endif
  const auto number = arrow::field("number", arrow::int64());
  const auto name = arrow::field("name", arrow::utf8());
  Define("numbered", number);
  Define("named", name);
  FeatureGroupDefinition labels{.name = "labels"};
  labels.primary_key = {"label"};
  labels.event_time = "at";
  labels.schema = Labels().schema();
  ASSERT_TRUE(tables_->Define(labels).ok());
  Fill("numbered", number, kNumbered, 1);
  Fill("named", name, kNamed, 2);
  Fill("named", name, kNamed, 3);  // overlaps the first, so the two are merged on the way

  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> environment{"TERCET_TEST_ROOT=" + root_, "TERCET_THREADS=2",
                                       // Others reserve more address space than they use, all of
                                       // which the limit would count.
                                       "ARROW_DEFAULT_MEMORY_POOL=system", "MALLOC_ARENA_MAX=1",
                                       "MALLOC_MMAP_THRESHOLD_=262144"};
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  std::vector<char*> pointers;
  for (std::string& entry : environment) pointers.push_back(entry.data());
  pointers.push_back(nullptr);
  std::string filter = "--gtest_filter=BoundedJoin.DISABLED_Child",
              disabled = "--gtest_also_run_disabled_tests", brief = "--gtest_brief=1";
  std::string program = self;
  char* arguments[] = {program.data(), filter.data(), disabled.data(), brief.data(), nullptr};
  pid_t child = 0;
  ASSERT_EQ(posix_spawn(&child, self.c_str(), nullptr, nullptr, arguments, pointers.data()), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child ended with " << status;

  ViewReadOptions options;
  options.spine = Labels().ToTable().ValueOrDie();
  const auto plan =
      ViewPlan::Make(View(), [&](const Ref& ref) { return tables_->Definition(ref); }).ValueOrDie();
  const auto expected = ReadView(*plan, tables_.get(), options);
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  const auto file = arrow::io::MemoryMappedFile::Open(JoinPath(root_, "answer.parquet"),
                                                      arrow::io::FileMode::READ)
                        .ValueOrDie();
  const auto reader = parquet::arrow::OpenFile(file, arrow::default_memory_pool()).ValueOrDie();
  const auto answer = reader->ReadTable().ValueOrDie();
  ASSERT_EQ(answer->num_rows(), kLabels);
  // What the child had to read and make was several times what it had.
  int64_t bytes = file->GetSize().ValueOrDie();
  for (const auto& group : {"numbered", "named"}) {
    bytes += tables_->Get({group, 1}).ValueOrDie()->Head().ValueOrDie()->total_bytes();
  }
  EXPECT_GT(bytes, 3 * kLimitBytes);
  for (int c = 0; c < answer->num_columns(); ++c) {
    ASSERT_TRUE(answer->column(c)->Equals(*expected->columns->column(c)))
        << answer->field(c)->name();
  }
}

}  // namespace
}  // namespace tercet
