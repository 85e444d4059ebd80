#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include <arrow/builder.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/overload.h"
#include "base/parallel.h"
#include "runtime/predictor.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

constexpr const char* kClass = R"(
import mmap, os, sys, time
import numpy, pyarrow

class Sum:
    def __init__(self, directory):
        self.bias = float(open(os.path.join(directory, "bias.txt")).read())

    def predict(self, batch):
        x = batch.column("x").to_numpy(zero_copy_only=False)
        if len(x) and x[0] == -1:
            raise ValueError("no negatives, please")
        if len(x) and x[0] == -2:
            print("about to crash", file=sys.stderr, flush=True)
            os._exit(3)
        if len(x) and x[0] == -3:
            time.sleep(60)
        if len(x) and x[0] == -4:
            return x[1:]
        if len(x) and x[0] == -5:
            os.abort()
        if len(x) and x[0] == -6:
            bytearray(8 << 30)
        if len(x) and x[0] == -7:
            return {"sum": ["text"] * len(x)}
        if len(x) and x[0] == -8:
            return object()
        if len(x) and x[0] == -9:
            print("x" * 1_000_000)
        return x + batch.column("y").to_numpy(zero_copy_only=False) + self.bias

class Shapes:
    def preprocess(self, batch):
        self.shape = batch.column("x")[0].as_py()
        return batch.num_rows
    def predict(self, rows):
        if self.shape == 1:
            return [[i, i + 0.5] for i in range(rows)]
        if self.shape == 2:
            return numpy.arange(2 * rows, dtype="float32").reshape(-1, 2)
        if self.shape == 3:
            return [{"other": i + 0.5, "sum": i} for i in range(rows)]
        if self.shape == 4:
            return pyarrow.table({"a": list(range(rows)), "b": [0.5] * rows})
        import pandas
        return pandas.DataFrame({"other": [0.5] * rows, "sum": range(rows)})
    def postprocess(self, predictions):
        return predictions

class NoPredict:
    pass

class Bad:
    def __init__(self):
        raise RuntimeError("the weights are gone")
    def predict(self, batch):
        return []

class Leaks:
    kept = []
    def predict(self, batch):
        # Address space alone: the machine that tests has better uses for its memory.
        self.kept.append(mmap.mmap(-1, int(batch.column("x")[0].as_py()) << 20))
        return [os.getpid()] * batch.num_rows

class Parent:
    def predict(self, batch):
        return [os.getpid()] * batch.num_rows
)";

class PythonPredictorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    InitializeArrow();
    directory_ = std::filesystem::temp_directory_path() / ("tercet-python-" + NewUuid());
    std::filesystem::create_directories(directory_);
    std::ofstream(directory_ / "predictor.py") << kClass;
    std::ofstream(directory_ / "bias.txt") << "0.5";
    options_.python = std::filesystem::absolute(".deps/venv/bin/python");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Result<std::unique_ptr<Predictor>> Load(const std::string& name,
                                          arrow::FieldVector outputs = {
                                              arrow::field("sum", arrow::float64())}) {
    std::ofstream(directory_ / "predictor.json")
        << R"({"module": "predictor", "class": ")" << name << "\"}";
    return LoadPredictor(ModelFormat::kPython, directory_, {inputs_, arrow::schema(outputs)},
                         options_);
  }
  std::shared_ptr<arrow::RecordBatch> Batch(const std::vector<double>& x) {
    arrow::DoubleBuilder xs, ys;
    EXPECT_TRUE(xs.AppendValues(x).ok());
    EXPECT_TRUE(ys.AppendValues(std::vector<double>(x.size(), 1)).ok());
    return arrow::RecordBatch::Make(inputs_, static_cast<int64_t>(x.size()),
                                    {xs.Finish().ValueOrDie(), ys.Finish().ValueOrDie()});
  }
  static double Value(const arrow::RecordBatch& batch, int64_t row) {
    return static_cast<const arrow::DoubleArray&>(*batch.column(0)).Value(row);
  }

  std::filesystem::path directory_;
  PredictorOptions options_;
  const std::shared_ptr<arrow::Schema> inputs_ = arrow::schema(
      {arrow::field("x", arrow::float64()), arrow::field("y", arrow::float64())});
};

TEST_F(PythonPredictorTest, AnswersAndSurvivesWhatGoesWrong) {
  options_.workers.timeout_us = 20'000'000;
  auto predictor = Load("Sum").ValueOrDie();
  const auto good = [&] {
    const auto answer = predictor->Predict(*Batch({1, 2})).ValueOrDie();
    EXPECT_EQ(Value(*answer, 0), 2.5);
    EXPECT_EQ(Value(*answer, 1), 3.5);
  };
  const auto failure = [&](double x) { return predictor->Predict(*Batch({x, 0})).status(); };
  good();
  EXPECT_EQ(predictor->Predict(*Batch({})).ValueOrDie()->num_rows(), 0);

  const Status raised = failure(-1);
  EXPECT_TRUE(raised.IsExecutionError());
  EXPECT_THAT(raised.message(), HasSubstr("ValueError: no negatives, please"));
  EXPECT_THAT(raised.message(), HasSubstr("predictor.py\", line"));
  good();
  const Status exited = failure(-2);
  EXPECT_TRUE(exited.IsIOError());
  EXPECT_THAT(exited.message(), HasSubstr("exit code 3"));
  EXPECT_THAT(exited.message(), HasSubstr("about to crash"));
  good();
  const Status short_answer = failure(-4);
  EXPECT_TRUE(short_answer.IsExecutionError());
  EXPECT_THAT(short_answer.message(), HasSubstr("1 values of output 'sum' for 2 rows"));
  const Status aborted = failure(-5);
  EXPECT_TRUE(aborted.IsIOError());
  EXPECT_THAT(aborted.message(), HasSubstr("signal"));
  good();
  EXPECT_THAT(failure(-6).message(), HasSubstr("MemoryError"));
  EXPECT_TRUE(failure(-7).IsExecutionError());
  EXPECT_THAT(failure(-8).message(), HasSubstr("returned object"));
  EXPECT_TRUE(failure(-9).ok());  // much output does not block it
  good();
  const auto narrow = Batch({1})->SelectColumns({0}).ValueOrDie();
  EXPECT_TRUE(predictor->Predict(*narrow).status().IsInvalid());
}

TEST_F(PythonPredictorTest, KillsAWorkerThatHangs) {
  options_.workers.timeout_us = 300'000;
  auto predictor = Load("Sum").ValueOrDie();
  const Status hung = predictor->Predict(*Batch({-3})).status();
  EXPECT_TRUE(hung.IsIOError());
  EXPECT_THAT(hung.message(), HasSubstr("no answer within 300 ms"));
}

TEST_F(PythonPredictorTest, AHungWorkerIsReplacedAtTheCallersDeadline) {
  auto predictor = Load("Sum").ValueOrDie();
  const auto begun = std::chrono::steady_clock::now();
  const Status hung =
      predictor->PredictBy(*Batch({-3}), begun + std::chrono::milliseconds(200)).status();
  EXPECT_TRUE(IsTooLate(hung)) << hung;
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
  // The others go on with the worker that took its place.
  EXPECT_EQ(Value(**predictor->Predict(*Batch({1})), 0), 2.5);
}

TEST_F(PythonPredictorTest, WaitsForAWorkerNoLongerThanTheDeadline) {
  auto predictor = Load("Sum").ValueOrDie();
  std::thread hanging([&] {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    EXPECT_TRUE(IsTooLate(predictor->PredictBy(*Batch({-3}), deadline).status()));
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  const Status waited = predictor->PredictBy(*Batch({1}), deadline).status();
  EXPECT_TRUE(IsTooLate(waited)) << waited;
  EXPECT_THAT(waited.message(), HasSubstr("predictor class 'Sum': no worker was free"));
  hanging.join();
}

TEST_F(PythonPredictorTest, CrashesInARowAreMadeGoodLaterAndLater) {
  auto predictor = Load("Sum").ValueOrDie();
  std::vector<double> waits;
  for (int i = 0; i < 5; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_TRUE(predictor->Predict(*Batch({-2})).status().IsIOError());
    const std::chrono::duration<double> wait = std::chrono::steady_clock::now() - begun;
    waits.push_back(wait.count());
  }
  // After the second, third and fourth crash: 0.1, 0.2 and 0.4 s beside the start itself.
  EXPECT_GE(waits[2], 0.1);
  EXPECT_GE(waits[3], 0.2);
  EXPECT_GE(waits[4], 0.4);
  // The next pauses are 0.8 and 1.6 s: longer than a call waits.
  EXPECT_TRUE(predictor->Predict(*Batch({-2})).status().IsIOError());
  const Status refused = predictor->Predict(*Batch({1})).status();
  EXPECT_TRUE(refused.IsIOError()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("6 failures in a row; the next start is in"));
  EXPECT_THAT(refused.message(), HasSubstr("exit code 3"));
  std::this_thread::sleep_for(std::chrono::milliseconds(800));
  EXPECT_EQ(Value(**predictor->Predict(*Batch({1})), 0), 2.5);
}

TEST_F(PythonPredictorTest, AWorkerThatGrowsIsReplaced) {
  auto predictor = Load("Leaks", {arrow::field("pid", arrow::int64())}).ValueOrDie();
  std::set<int64_t> workers;
  for (int i = 0; i < 12; ++i) {
    const auto answer = predictor->Predict(*Batch({500}));  // MB each
    ASSERT_TRUE(answer.ok()) << answer.status();
    workers.insert(static_cast<const arrow::Int64Array&>(*(*answer)->column(0)).Value(0));
  }
  EXPECT_GE(workers.size(), 2);
  EXPECT_LE(workers.size(), 4);
}

TEST_F(PythonPredictorTest, WorkersAreReplacedAfterSoManyCallsAndByNewLimits) {
  auto predictor = Load("Parent", {arrow::field("pid", arrow::int64())}).ValueOrDie();
  const auto worker = [&] {
    const auto answer = predictor->Predict(*Batch({0})).ValueOrDie();
    return static_cast<const arrow::Int64Array&>(*answer->column(0)).Value(0);
  };
  const int64_t first = worker();
  EXPECT_EQ(worker(), first);
  ASSERT_TRUE(predictor->Reserve({.requests = 2}).ok());
  const int64_t second = worker();
  EXPECT_NE(second, first);  // it had answered two
  EXPECT_EQ(worker(), second);
  EXPECT_NE(worker(), second);
  ASSERT_TRUE(predictor->Reserve({.workers = 2, .memory_bytes = 3LL << 30}).ok());
  std::ifstream limits("/proc/" + std::to_string(worker()) + "/limits");
  const std::string text((std::istreambuf_iterator<char>(limits)), {});
  EXPECT_THAT(text, HasSubstr("3221225472"));
}

TEST_F(PythonPredictorTest, ChecksRequirementsAndTakesAnInterpreterOfItsOwn) {
  std::ofstream(directory_ / "requirements.txt")
      << "# what it was trained with\npyarrow\nnumpy==0.0.1\nno-such-package>=1\n";
  const Status unmet = Load("Sum").status();
  EXPECT_THAT(unmet.message(),
              HasSubstr("does not meet requirements.txt: numpy==0.0.1 (installed"));
  EXPECT_THAT(unmet.message(), HasSubstr("no-such-package>=1 (not installed)"));
  std::ofstream(directory_ / "requirements.txt") << "pyarrow\n";
  EXPECT_TRUE(Load("Sum").ok());
  std::ofstream(directory_ / "predictor.json")
      << R"({"module": "predictor", "class": "Sum", "python": "/no/such/env"})";
  const Signature signature{inputs_, arrow::schema({arrow::field("s", arrow::float64())})};
  const Status other =
      LoadPredictor(ModelFormat::kPython, directory_, signature, options_).status();
  EXPECT_THAT(other.message(), HasSubstr("cannot start '/no/such/env'"));
}

/// pip has no index here, so only what nothing has to be fetched for could be made.
TEST_F(PythonPredictorTest, AnEnvironmentThatCanNotBeMadeSaysWhy) {
  ::setenv("PIP_NO_INDEX", "1", 1);
  options_.environments = directory_ / "environments";
  std::ofstream(directory_ / "requirements.txt") << "no-such-package==1\n";
  const Status missing = Load("Sum").status();
  ::unsetenv("PIP_NO_INDEX");
  EXPECT_TRUE(missing.IsExecutionError()) << missing;
  EXPECT_THAT(missing.message(), HasSubstr("cannot make an environment with requirements.txt"));
  EXPECT_THAT(missing.message(), HasSubstr("no-such-package==1"));
  // Nothing half-made is left to be found the next time.
  for (const auto& entry : std::filesystem::directory_iterator(options_.environments)) {
    EXPECT_FALSE(entry.is_directory()) << entry.path();
  }
}

TEST_F(PythonPredictorTest, AStepIsTheOneMethodThatIsCalled) {
  std::ofstream(directory_ / "steps.py") << R"(
class Steps:
    def preprocess(self, batch):
        return [value.as_py() * 2 for value in batch.column(0)]
    def postprocess(self, batch):
        return [value.as_py() + 1 for value in batch.column(0)]
)";
  const Signature signature{inputs_, arrow::schema({arrow::field("s", arrow::float64())})};
  const auto load = [&](const std::string& step) {
    std::ofstream(directory_ / "predictor.json")
        << R"({"module": "steps", "class": "Steps", "step": ")" << step << "\"}";
    return LoadPredictor(ModelFormat::kPython, directory_, signature, options_);
  };
  EXPECT_EQ(Value(**load("preprocess").ValueOrDie()->Predict(*Batch({3})), 0), 6);
  EXPECT_EQ(Value(**load("postprocess").ValueOrDie()->Predict(*Batch({3})), 0), 4);
  EXPECT_THAT(load("").status().message(), HasSubstr("no method predict"));
  EXPECT_THAT(load("process").status().message(), HasSubstr("'preprocess' or 'postprocess'"));
}

TEST_F(PythonPredictorTest, TakesWhateverPredictReturns) {
  auto predictor = Load("Shapes", {arrow::field("sum", arrow::float64()),
                                   arrow::field("other", arrow::float32())}).ValueOrDie();
  for (const double shape : {1, 2, 3, 4, 5}) {
    const auto answer = predictor->Predict(*Batch({shape, 0, 0})).ValueOrDie();
    EXPECT_EQ(Value(*answer, 2), shape == 2 ? 4 : 2) << shape;  // by name, else by position
    EXPECT_EQ(answer->column(1)->type_id(), arrow::Type::FLOAT);
  }
}

TEST_F(PythonPredictorTest, ConcurrentCallsEachGetTheirAnswer) {
  auto predictor = Load("Sum").ValueOrDie();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const double x = t * 100 + i;
        EXPECT_EQ(Value(**predictor->Predict(*Batch({x})), 0), x + 1.5);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(PythonPredictorTest, SaysAtLoadingWhatIsWrong) {
  EXPECT_THAT(Load("Sun").status().message(), HasSubstr("no class 'Sun' (it has ["));
  EXPECT_THAT(Load("NoPredict").status().message(), HasSubstr("no method predict"));
  const Status bad = Load("Bad").status();
  EXPECT_TRUE(bad.IsExecutionError());
  EXPECT_THAT(bad.message(), HasSubstr("the weights are gone"));
  std::ofstream(directory_ / "predictor.py") << "import no_such_module\n";
  EXPECT_THAT(Load("Sum").status().message(), HasSubstr("no_such_module"));
  options_.python = "/no/such/python";
  const Status no_python = Load("Sum").status();
  EXPECT_TRUE(no_python.IsIOError());
  EXPECT_THAT(no_python.message(), HasSubstr("cannot start '/no/such/python'"));
  const auto load = [&](const std::string& text) {
    std::ofstream(directory_ / "predictor.json") << text;
    return LoadPredictor(ModelFormat::kPython, directory_, {inputs_, inputs_}, options_).status();
  };
  EXPECT_TRUE(load("{").IsInvalid());
  EXPECT_THAT(load(R"({"module": "m", "klass": "C"})").message(), HasSubstr("'class'"));
  EXPECT_TRUE(load(R"({"module": "m"})").IsInvalid());
  std::filesystem::remove(directory_ / "predictor.json");
  EXPECT_THAT(
      LoadPredictor(ModelFormat::kPython, directory_, {inputs_, inputs_}, options_).status()
          .message(),
      HasSubstr("no file 'predictor.json'"));
}

TEST_F(PythonPredictorTest, LeavesNothingInTheModelsFolder) {
  Load("Sum").ValueOrDie();
  EXPECT_FALSE(std::filesystem::exists(directory_ / "__pycache__"));
}

/// The other process of the test below: predicts once, tells its worker, waits to be killed.
TEST_F(PythonPredictorTest, DISABLED_TellItsWorkerAndWait) {
  auto predictor = Load("Parent", {arrow::field("pid", arrow::int64())}).ValueOrDie();
  const auto answer = predictor->Predict(*Batch({0})).ValueOrDie();
  const int64_t worker = static_cast<const arrow::Int64Array&>(*answer->column(0)).Value(0);
  std::filesystem::remove_all(directory_);
  const int told = std::stoi(std::getenv("TERCET_TEST_PIPE"));
  ASSERT_EQ(::write(told, &worker, sizeof(worker)), static_cast<ssize_t>(sizeof(worker)));
  ::pause();
}

TEST_F(PythonPredictorTest, TheWorkerEndsWithItsParent) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const std::string told = std::to_string(pipe_ends[1]);
  ASSERT_EQ(::setenv("TERCET_TEST_PIPE", told.c_str(), 1), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    // A program of its own: a forked one with threads may not start more of them.
    ::execl("/proc/self/exe", "runtime_test", "--gtest_also_run_disabled_tests",
            "--gtest_filter=PythonPredictorTest.DISABLED_TellItsWorkerAndWait", nullptr);
    ::_exit(127);
  }
  ::close(pipe_ends[1]);
  int64_t worker = 0;
  ASSERT_EQ(::read(pipe_ends[0], &worker, sizeof(worker)), static_cast<ssize_t>(sizeof(worker)));
  EXPECT_EQ(::kill(static_cast<pid_t>(worker), 0), 0);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto gone = [&] {
    if (::kill(static_cast<pid_t>(worker), 0) != 0) return true;
    // Not reaped yet by whoever adopted it: a zombie is as good as gone.
    std::ifstream status("/proc/" + std::to_string(worker) + "/stat");
    std::string text((std::istreambuf_iterator<char>(status)), {});
    return text.find(") Z") != std::string::npos;
  };
  for (int tries = 0; tries < 500 && !gone(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(gone());
  ::close(pipe_ends[0]);
}

}  // namespace
}  // namespace tercet
