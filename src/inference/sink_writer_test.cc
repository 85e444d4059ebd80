#include "inference/sink_writer.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "inference/prediction_sinks.h"
#include "source/file_sink.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A sink that is down while `down` says so, refuses records named "bad", and keeps the others.
/// Where it is `late`, readers see them when they are published.
struct Place {
  std::mutex mutex;
  bool down = false;                ///< guarded by mutex
  bool late = false;                ///< set before it is opened
  std::vector<std::string> hidden;  ///< guarded by mutex
  std::vector<std::string> kept;    ///< guarded by mutex
  std::chrono::milliseconds age = std::chrono::hours(1);  ///< of what is hidden, at most

  class Sink : public RecordSink {
   public:
    explicit Sink(Place* place) : place_(place) {}
    Status Write(std::span<const SinkRecord> records) override {
      const std::lock_guard lock(place_->mutex);
      if (place_->down) return Status::IOError("nobody is there");
      for (const SinkRecord& record : records) {
        if (record.json == "bad") return Status::Invalid("a bad record");
      }
      auto& into = place_->late ? place_->hidden : place_->kept;
      for (const SinkRecord& record : records) into.push_back(record.json);
      if (place_->late && !due_) due_ = TimePoint::clock::now() + place_->age;
      return Status::OK();
    }
    Status Publish() override {
      const std::lock_guard lock(place_->mutex);
      if (place_->down) return Status::IOError("the disk is full");
      for (std::string& one : place_->hidden) place_->kept.push_back(std::move(one));
      place_->hidden.clear();
      due_.reset();
      return Status::OK();
    }
    std::optional<TimePoint> publish_at() const override { return due_; }

   private:
    Place* const place_;
    std::optional<TimePoint> due_;
  };

  void SetDown(bool now) {
    const std::lock_guard lock(mutex);
    down = now;
  }
  std::vector<std::string> Kept() {
    const std::lock_guard lock(mutex);
    return kept;
  }
  SinkWriter::Open Opener() {
    return [this]() -> Result<std::unique_ptr<RecordSink>> { return std::make_unique<Sink>(this); };
  }
};

constexpr SinkWriter::Pauses kLong{std::chrono::minutes(10), std::chrono::minutes(10)};
constexpr SinkWriter::Pauses kShort{std::chrono::milliseconds(1), std::chrono::milliseconds(2)};

TEST(SinkWriterTest, ARecordThatIsRefusedTakesNoOtherWithIt) {
  Place place;
  SinkWriter writer("place", place.Opener(), kLong);
  writer.Offer({{"", "1"}, {"", "2"}, {"", "bad"}, {"", "3"}, {"", "4"}});
  writer.Settle();
  EXPECT_THAT(place.Kept(), ElementsAre("1", "2", "3", "4"));
  const PredictionSinkStatistics statistics = writer.Statistics();
  EXPECT_EQ(statistics.sink, "place");
  EXPECT_EQ(statistics.written, 4);
  EXPECT_EQ(statistics.failed, 1);
  EXPECT_EQ(statistics.waiting, 0);
  EXPECT_EQ(statistics.last_error, "a bad record");
}

TEST(SinkWriterTest, TriesAgainUntilSomebodyIsThere) {
  Place place;
  place.SetDown(true);
  SinkWriter writer("place", place.Opener(), kShort);
  writer.Offer({{"", "1"}});
  writer.Settle();  // the first failure
  PredictionSinkStatistics statistics = writer.Statistics();
  EXPECT_EQ(statistics.waiting, 1);
  EXPECT_EQ(statistics.last_error, "nobody is there");
  writer.Offer({{"", "2"}});
  place.SetDown(false);
  while (writer.Statistics().waiting > 0) writer.Settle();
  EXPECT_THAT(place.Kept(), ElementsAre("1", "2"));
  statistics = writer.Statistics();
  EXPECT_EQ(statistics.written, 2);
  EXPECT_EQ(statistics.failed, 0);
  EXPECT_GE(statistics.retries, 1);
}

TEST(SinkWriterTest, SettlingIsATryAtOnce) {
  // Many times, since tries that were under way before must not be taken for the one asked for.
  for (int i = 0; i < 200; ++i) {
    Place place;
    place.SetDown(true);
    SinkWriter writer("place", place.Opener(), kLong);
    writer.Offer({{"", "1"}});
    EXPECT_FALSE(writer.Settle());
    place.SetDown(false);
    EXPECT_TRUE(writer.Settle());  // would take ten minutes
    ASSERT_THAT(place.Kept(), ElementsAre("1"));
  }
}

TEST(SinkWriterTest, ASinkThatHangsIsNotWaitedForLonger) {
  Place place;
  SinkWriter writer("place", place.Opener(), kLong);
  std::unique_lock hangs(place.mutex);
  writer.Offer({{"", "1"}});
  EXPECT_FALSE(writer.Await(writer.Ask(), std::chrono::steady_clock::now()));
  EXPECT_EQ(writer.Statistics().waiting, 1);
  hangs.unlock();
  EXPECT_TRUE(writer.Settle());
  EXPECT_EQ(writer.Statistics().waiting, 0);
}

TEST(SinkWriterTest, OthersMayOfferAllTheTimeWhileOneSettles) {
  Place place;
  SinkWriter writer("place", place.Opener(), kLong);
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done) {
      if (writer.Statistics().waiting < 100) writer.Offer({{"", "x"}});
    }
  });
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(writer.Settle());
  done = true;
  other.join();
}

TEST(SinkWriterTest, WhatIsHiddenIsPublishedWhenAskedForAndAtTheEnd) {
  Place place;
  place.late = true;
  {
    SinkWriter writer("place", place.Opener(), kLong);
    writer.Offer({{"", "1"}});
    EXPECT_TRUE(writer.Settle());
    EXPECT_THAT(place.Kept(), ElementsAre("1"));
    writer.Offer({{"", "2"}});
  }
  EXPECT_THAT(place.Kept(), ElementsAre("1", "2"));
}

TEST(SinkWriterTest, WhatIsHiddenIsPublishedWhenItIsDueAndTriedAgain) {
  Place place;
  place.late = true;
  place.age = std::chrono::milliseconds(1);
  SinkWriter writer("place", place.Opener(), kShort);
  writer.Offer({{"", "1"}});
  while (place.Kept().empty()) std::this_thread::yield();
  place.SetDown(true);
  writer.Offer({{"", "2"}});
  while (writer.Statistics().last_error.empty()) std::this_thread::yield();
  EXPECT_THAT(place.Kept(), ElementsAre("1"));
  place.SetDown(false);
  while (place.Kept().size() < 2) std::this_thread::yield();
  EXPECT_EQ(writer.Statistics().written, 2);
  EXPECT_EQ(writer.Statistics().failed, 0);
}

TEST(SinkWriterTest, WhatDoesNotFitIsDroppedAndCounted) {
  Place place;
  place.SetDown(true);
  SinkWriter writer("place", place.Opener(), kLong);
  const std::string big(SinkWriter::kQueueBytes / 4, 'x');
  for (int i = 0; i < 6; ++i) writer.Offer({{"", big}});
  const PredictionSinkStatistics statistics = writer.Statistics();
  EXPECT_EQ(statistics.waiting, 3);
  EXPECT_EQ(statistics.dropped, 3);
}

TEST(SinkWriterTest, EndsWhileItsSinkIsDown) {
  Place place;
  place.SetDown(true);
  {
    SinkWriter writer("place", place.Opener(), kLong);
    writer.Offer({{"", "1"}});
    writer.Settle();
  }
  EXPECT_TRUE(place.Kept().empty());
}

class FileSinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("sink_" + std::to_string(::getpid()) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const FileInfo& file : LocalFileSystem()->List(folder_).ValueOrDie()) {
      names.push_back(file.name);
    }
    return names;
  }
  std::string Text(const std::string& name) const {
    return LocalFileSystem()->ReadFile(folder_ / name).ValueOrDie();
  }

  std::filesystem::path folder_;
};

TEST_F(FileSinkTest, BeginsAFileWhenOneIsFull) {
  auto sink = OpenFileSink(folder_, "late", 4).ValueOrDie();
  const std::vector<SinkRecord> first = {{"", "{1}"}, {"", "{2}"}}, second = {{"", "{3}"}};
  ASSERT_TRUE(sink->Write(first).ok());
  ASSERT_TRUE(sink->Write(second).ok());
  EXPECT_THAT(Names(), ElementsAre("late-000001.jsonl", "late-000002.jsonl"));
  EXPECT_EQ(Text("late-000001.jsonl"), "{1}\n{2}\n");
  EXPECT_EQ(Text("late-000002.jsonl"), "{3}\n");
}

TEST_F(FileSinkTest, SeveralShareAFolder) {
  auto one = OpenFileSink(folder_, "late").ValueOrDie();
  auto other = OpenFileSink(folder_, "late").ValueOrDie();
  const std::vector<SinkRecord> records = {{"", "{1}"}};
  ASSERT_TRUE(one->Write(records).ok());
  ASSERT_TRUE(other->Write(records).ok());
  ASSERT_TRUE(one->Write(records).ok());
  EXPECT_THAT(Names(), ElementsAre("late-000001.jsonl", "late-000002.jsonl"));
  EXPECT_EQ(Text("late-000001.jsonl"), "{1}\n{1}\n");
}

TEST_F(FileSinkTest, IsAllowedInsideOfWhatTheServerNames) {
  std::filesystem::create_directories(folder_ / "in");
  std::filesystem::create_directory_symlink("/", folder_ / "in" / "out");
  const auto check = [&](const std::string& path, const std::vector<std::string>& allowed) {
    return CheckSinkAllowed({.kind = "file", .location = path, .target = {}}, allowed);
  };
  const std::string in = folder_ / "in";
  EXPECT_TRUE(check(in + "/new", {in}).ok());
  EXPECT_TRUE(check(in, {"/nowhere", in}).ok());
  EXPECT_TRUE(check(in + "/../other", {in}).IsNotImplemented());
  EXPECT_TRUE(check(in + "/out/tmp", {in}).IsNotImplemented());
  EXPECT_TRUE(check(in, {"file", "kafka"}).IsNotImplemented());
  EXPECT_THAT(check(in, {}).message(), HasSubstr("--allow-sink FOLDER"));
  const PredictionSink kafka{.kind = "kafka", .location = "a:9092", .target = "t"};
  EXPECT_TRUE(CheckSinkAllowed(kafka, std::nullopt).ok());
  EXPECT_TRUE(CheckSinkAllowed(kafka, std::vector<std::string>{"kafka"}).ok());
  EXPECT_THAT(CheckSinkAllowed(kafka, std::vector<std::string>{in}).message(),
              HasSubstr("--allow-sink kafka"));
}

TEST(PredictionSinkTest, NamesWhereToConnectAndNothingElse) {
  const auto check = [](const std::string& kind, const std::string& location,
                        const std::string& target) {
    return PredictionSink{.kind = kind, .location = location, .target = target}.Check();
  };
  EXPECT_TRUE(check("postgres", "host=/run/pg port=5433  dbname=audit user=a sslmode=require",
                    "s.t").ok());
  for (const char* connection :
       {"host=db password=secret", "host=db passfile=/etc/shadow", "postgresql://a:b@db/c",
        "host=db sslkey=/k", "host=db options='-c x=y'", "dbname='a password=b'", "host"}) {
    EXPECT_TRUE(check("postgres", connection, "t").IsInvalid()) << connection;
  }
  EXPECT_TRUE(check("postgres", "host=db", "").IsInvalid());
  EXPECT_TRUE(check("kafka", "a:9092", "").IsInvalid());
  EXPECT_TRUE(check("file", "relative", "").IsInvalid());
  EXPECT_THAT(check("kafak", "a:9092", "t").message(), HasSubstr("kafka"));
}

}  // namespace
}  // namespace tercet
