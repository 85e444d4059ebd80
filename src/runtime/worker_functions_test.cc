#include "runtime/worker_functions.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <unistd.h>

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/deadline.h"
#include "base/overload.h"
#include "base/parallel.h"

namespace tercet {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class WorkerFunctionsTest : public ::testing::Test {
 protected:
  void SetUp() override { InitializeArrow(); }

  static PythonFunction Of(const std::string& body, const std::string& input,
                           const std::string& output) {
    return {.name = "f", .source = "def f(x):\n    " + body + "\n", .inputs = {{"x", input}},
            .output = output};
  }

  Result<std::shared_ptr<arrow::Array>> Call(const PythonFunction& function,
                                             const std::string& rows) {
    ARROW_ASSIGN_OR_RAISE(const auto callable, functions_.Get(function));
    ARROW_ASSIGN_OR_RAISE(const auto schema, function.InputSchema());
    ARROW_ASSIGN_OR_RAISE(const auto array,
                          arrow::json::ArrayFromJSONString(schema->field(0)->type(), rows));
    return callable->Call(*arrow::RecordBatch::Make(schema, array->length(), {array}));
  }
  /// The error of one call, which must be one.
  std::string Error(const PythonFunction& function, const std::string& rows) {
    const auto answer = Call(function, rows);
    EXPECT_FALSE(answer.ok());
    EXPECT_TRUE(answer.status().IsExecutionError()) << answer.status();
    return answer.status().message();
  }

  WorkerFunctions functions_{std::filesystem::absolute(".deps/venv/bin/python"),
                             {.workers = 1, .timeout_us = 1'000'000}};
};

TEST_F(WorkerFunctionsTest, RowsAreValuesOfPythonAndNullsAreNone) {
  const auto doubled = *Call(Of("return None if x is None else 2 * x", "int64", "double"),
                             "[1, null, -3]");
  EXPECT_TRUE(doubled->Equals(
      *arrow::json::ArrayFromJSONString(arrow::float64(), "[2, null, -6]")));
  const auto texts = *Call(Of("return f'{type(x).__name__} {x}'", "timestamp[us, tz=UTC]",
                              "string"),
                           "[0, null]");
  EXPECT_TRUE(texts->Equals(*arrow::json::ArrayFromJSONString(
      arrow::utf8(), R"(["datetime 1970-01-01 00:00:00+00:00", "NoneType None"])")));
  const auto lists = *Call(Of("return [v + 0.5 for v in x]", "list<int8>", "list<float>"),
                           "[[1, 2], []]");
  EXPECT_TRUE(lists->Equals(
      *arrow::json::ArrayFromJSONString(arrow::list(arrow::float32()), "[[1.5, 2.5], []]")));
  EXPECT_EQ((*Call(Of("return 1", "int64", "int8"), "[]"))->length(), 0);
}

TEST_F(WorkerFunctionsTest, ManyRowsAreManyCalls) {
  arrow::Int64Builder xs;
  for (int64_t i = 0; i < 10'000; ++i) ASSERT_TRUE(xs.Append(i).ok());
  const PythonFunction function = Of("return 1 // (x - 9000)", "int64", "int64");
  const auto callable = *functions_.Get(function);
  const auto whole =
      arrow::RecordBatch::Make(*function.InputSchema(), 10'000, {*xs.Finish()});
  const auto answer = callable->Call(*whole->Slice(0, 9000));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ((*answer)->length(), 9000);
  const Status failed = callable->Call(*whole).status();
  EXPECT_THAT(failed.message(), AllOf(HasSubstr("of the rows from 8192 on"),
                                      HasSubstr("in row 808: ZeroDivisionError"),
                                      HasSubstr("return 1 // (x - 9000)")));
}

TEST_F(WorkerFunctionsTest, NothingBecomesAnotherTypeUnasked) {
  EXPECT_THAT(Error(Of("return 'high' if x > 1 else 0.5", "int64", "double"), "[1, 2]"),
              HasSubstr("Python function 'f' failed: in row 1: TypeError: it returned "
                        "'high' (str), which is no double"));
  EXPECT_THAT(Error(Of("return x > 1", "int64", "int64"), "[1]"),
              HasSubstr("it returned False (bool), which is no int64"));
  EXPECT_THAT(Error(Of("return x / 2", "int64", "int64"), "[2]"),
              HasSubstr("it returned 1.0 (float), which is no int64"));
  EXPECT_THAT(Error(Of("return x", "int64", "int8"), "[1, 400]"),
              HasSubstr("in row 1: TypeError: it returned 400 (int), which is no int8 ("));
  EXPECT_THAT(Error(Of("return x", "int64", "bool"), "[1]"), HasSubstr("which is no bool"));
  EXPECT_THAT(Error(Of("return x", "timestamp[us]", "date32[day]"), "[1]"),
              HasSubstr("(datetime), which is no date32[day]"));
}

TEST_F(WorkerFunctionsTest, TextsThatGiveNoFunctionAreToldAtOnce) {
  const auto why = [&](PythonFunction function) {
    return (*functions_.Get(function))->Prepare().message();
  };
  EXPECT_THAT(why(Of("return (", "int64", "int64")), HasSubstr("SyntaxError"));
  EXPECT_THAT(why({.name = "g", .source = "def f(x): return x", .inputs = {{"x", "int64"}},
                   .output = "int64"}),
              HasSubstr("Python function 'g' failed: RuntimeError: the text defines no function"));
  EXPECT_THAT(why({.name = "f", .source = "import no_such_module", .inputs = {{"x", "int64"}},
                   .output = "int64"}),
              HasSubstr("ModuleNotFoundError"));
}

TEST_F(WorkerFunctionsTest, AWorkerThatDiesOrHangsIsReplaced) {
  const PythonFunction function = Of(
      "import os, time; return os._exit(3) if x == 1 else time.sleep(60) if x == 2 else x",
      "int64", "int64");
  for (const std::string rows : {"[1]", "[2]"}) {
    const Status failed = Call(function, rows).status();
    EXPECT_TRUE(failed.IsIOError()) << failed;
    EXPECT_THAT(failed.message(),
                HasSubstr(rows == "[1]" ? "Python function 'f': its worker failed: it ended with "
                                          "exit code 3"
                                        : "no answer within 1000 ms"));
    const auto after = Call(function, "[7]");
    EXPECT_TRUE(after.ok()) << after.status();
  }
  const DeadlineScope scope(std::chrono::steady_clock::now() + std::chrono::milliseconds(200));
  const Status late = Call(function, "[2]").status();
  EXPECT_TRUE(IsTooLate(late)) << late;
}

TEST_F(WorkerFunctionsTest, AFunctionThatLeaksOrWantsTooMuchIsReplaced) {
  // Address space is what counts, so nothing of it has to be touched.
  PythonFunction leaks = Of(
      "import mmap, os\n"
      "    more = mmap.mmap(-1, x << 20) if x < 1000 else bytearray(x << 20)\n"
      "    f.kept = getattr(f, 'kept', []) + [more]\n"
      "    return os.getpid()",
      "int64", "int64");
  leaks.memory_mb = 2048;
  leaks.timeout_ms = 60'000;
  std::set<int64_t> workers;
  for (int i = 0; i < 6; ++i) {
    const auto answer = Call(leaks, "[500]");
    ASSERT_TRUE(answer.ok()) << answer.status();
    workers.insert(static_cast<const arrow::Int64Array&>(**answer).Value(0));
  }
  EXPECT_GE(workers.size(), 2);
  EXPECT_THAT(Error(leaks, "[4000]"), HasSubstr("in row 0: MemoryError"));
  EXPECT_TRUE(Call(leaks, "[1]").ok());
}

TEST_F(WorkerFunctionsTest, ItsOwnTimeCountsAndReserveGivesTheRest) {
  PythonFunction slow = Of("import time; time.sleep(60)", "int64", "int64");
  slow.timeout_ms = 300;
  EXPECT_THAT(Call(slow, "[1]").status().message(), HasSubstr("no answer within 300 ms"));
  const auto callable = *functions_.Get(slow);
  ASSERT_TRUE(callable->Reserve({.timeout_us = 50'000'000}).ok());
  EXPECT_THAT(Call(slow, "[1]").status().message(), HasSubstr("no answer within 300 ms"));
  const PythonFunction other = Of("import time; return time.sleep(60) or x", "int64", "int64");
  const auto held = *functions_.Get(other);
  ASSERT_TRUE(held->Reserve({.timeout_us = 200'000}).ok());
  EXPECT_THAT(Call(other, "[1]").status().message(), HasSubstr("no answer within 200 ms"));
}

TEST_F(WorkerFunctionsTest, SeveralWorkersAnswerAtOnce) {
  const auto folder = std::filesystem::path(::testing::TempDir()) /
                      ("at_once_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  // Each call waits until the other has begun.
  PythonFunction meets = Of(
      "import os, time\n"
      "    open(f'" + folder.string() + "/{x}', 'w').close()\n"
      "    while not os.path.exists(f'" + folder.string() + "/{3 - x}'): time.sleep(0.01)\n"
      "    return x",
      "int64", "int64");
  meets.timeout_ms = 60'000;
  meets.workers = 2;
  const auto held = *functions_.Get(meets);
  ASSERT_TRUE(held->Reserve({.workers = 1}).ok());  // its own number counts
  std::thread other([&] { EXPECT_TRUE(Call(meets, "[1]").ok()); });
  EXPECT_TRUE(Call(meets, "[2]").ok());
  other.join();
  std::filesystem::remove_all(folder);
}

TEST_F(WorkerFunctionsTest, OneFunctionIsOneCallable) {
  const auto first = *functions_.Get(Of("return x", "int64", "int64"));
  EXPECT_EQ(first, *functions_.Get(Of("return x", "int64", "int64")));
  EXPECT_NE(first, *functions_.Get(Of("return x", "int64", "int32")));
}

}  // namespace
}  // namespace tercet
