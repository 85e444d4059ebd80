// The compiled half of `./dev bench predict_embedded`: one row of a LightGBM model of many trees,
// by our evaluator, by LightGBM's C interface, which is loaded from its Python package, and by ONNX
// Runtime.
//
//     predict_embedded MODEL_FOLDER LIB_LIGHTGBM ROWS COLUMNS COUNT
//         MODEL_FOLDER: model.txt, and model.onnx with the same trees
//         ROWS: a file of row-major doubles
//
// Prints one JSON object.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <vector>

#include <arrow/api.h>
#include <onnxruntime_cxx_api.h>

#include "base/json.h"
#include "base/parallel.h"
#include "runtime/predictor.h"

namespace tercet {
namespace {

using Clock = std::chrono::steady_clock;

/// What is used of LightGBM's C interface (c_api.h).
struct LightGbm {
  int (*create)(const char*, int*, void**);
  int (*init)(void*, int, int, int, int, int32_t, const char*, void**);
  int (*predict)(void*, const void*, int64_t*, double*);
  const char* (*last_error)();
};
constexpr int kFloat64 = 1, kPredictNormal = 0;

Result<LightGbm> Open(const std::string& library) {
  void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return Status::IOError(::dlerror());
  LightGbm api{};
  const auto find = [&](const char* name, auto* function) -> Status {
    void* found = ::dlsym(handle, name);
    if (found == nullptr) return Status::IOError(library, " has no ", name);
    *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(found);
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(find("LGBM_BoosterCreateFromModelfile", &api.create));
  ARROW_RETURN_NOT_OK(find("LGBM_BoosterPredictForMatSingleRowFastInit", &api.init));
  ARROW_RETURN_NOT_OK(find("LGBM_BoosterPredictForMatSingleRowFast", &api.predict));
  ARROW_RETURN_NOT_OK(find("LGBM_GetLastError", &api.last_error));
  return api;
}

/// One row by ONNX Runtime on one thread, the input where it lies.
class OnnxPeer {
 public:
  OnnxPeer(const std::string& file, int columns)
      : environment_(ORT_LOGGING_LEVEL_FATAL, "predict_embedded"),
        memory_(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault)),
        shape_{1, columns} {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    options.SetInterOpNumThreads(1);
    session_ = Ort::Session(environment_, file.c_str(), options);
  }

  double Predict(double* row) {
    const char* const input = "X";
    const char* const output = "prediction";
    const Ort::Value value = Ort::Value::CreateTensor<double>(
        memory_, row, static_cast<size_t>(shape_[1]), shape_, 2);
    return session_.Run(run_, &input, &value, 1, &output, 1)[0].GetTensorData<float>()[0];
  }

 private:
  Ort::Env environment_;
  Ort::MemoryInfo memory_;
  int64_t shape_[2];
  Ort::Session session_{nullptr};
  Ort::RunOptions run_;
};

struct Times {
  std::vector<double> ours, theirs, onnx;
};

double MicrosSince(Clock::time_point begun) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begun).count();
}

json::object Summary(std::vector<double> micros, const char* name) {
  std::sort(micros.begin(), micros.end());
  json::object summary;
  summary[std::string(name) + "_p50_us"] = micros[micros.size() / 2];
  summary[std::string(name) + "_p99_us"] = micros[micros.size() * 99 / 100];
  return summary;
}

Result<json::object> Compare(const std::string& folder, const std::string& library,
                             const std::string& file, int columns, int64_t count) {
  InitializeArrow();
  ARROW_ASSIGN_OR_RAISE(const LightGbm api, Open(library));
  void* booster = nullptr;
  void* fast = nullptr;
  int iterations = 0;
  if (api.create((folder + "/model.txt").c_str(), &iterations, &booster) != 0 ||
      api.init(booster, kPredictNormal, 0, -1, kFloat64, columns, "num_threads=1", &fast) != 0) {
    return Status::IOError("LightGBM: ", api.last_error());
  }
  ARROW_ASSIGN_OR_RAISE(const Signature signature,
                        InferSignature(ModelFormat::kLightgbm, folder));
  ARROW_ASSIGN_OR_RAISE(const auto predictor,
                        LoadPredictor(ModelFormat::kLightgbm, folder, signature));

  std::ifstream input(file, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(input)), std::istreambuf_iterator<char>());
  std::vector<double> rows(bytes.size() / sizeof(double));
  std::memcpy(rows.data(), bytes.data(), rows.size() * sizeof(double));
  const int64_t row_count = static_cast<int64_t>(rows.size()) / columns;
  if (row_count == 0) return Status::Invalid("no rows in ", file);
  const auto model = predictor->ForRows(*signature.inputs);
  if (model == nullptr) return Status::UnknownError("the model has no way of single rows");
  std::vector<Cell> cells;
  for (const double& value : rows) {
    cells.push_back({reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  Arena memory;
  Cell ours;

  OnnxPeer onnx(folder + "/model.onnx", columns);
  Times times;
  for (int64_t i = -count / 5; i < count; ++i) {  // A fifth more to warm up.
    const int64_t r = (i + count) % row_count;
    // In turns, so that both meet the same machine.
    const auto begun = Clock::now();
    memory.Reset();
    model->Predict({cells.data() + r * columns, static_cast<size_t>(columns)}, &memory,
                   {&ours, 1});
    const double our_micros = MicrosSince(begun);
    double theirs = 0;
    int64_t length = 0;
    const auto their_begin = Clock::now();
    const int failed = api.predict(fast, rows.data() + r * columns, &length, &theirs);
    const double their_micros = MicrosSince(their_begin);
    if (failed != 0 || length != 1) return Status::IOError("LightGBM: ", api.last_error());
    const double answer = ours.As<double>();
    if (answer != theirs) return Status::UnknownError("row ", r, ": ", answer, " and ", theirs);
    const auto onnx_begin = Clock::now();
    const double onnx_answer = onnx.Predict(rows.data() + r * columns);
    const double onnx_micros = MicrosSince(onnx_begin);
    // It answers in 32 bits.
    if (std::fabs(onnx_answer - answer) > 1e-6) {
      return Status::UnknownError("row ", r, ": ", answer, " and ONNX Runtime's ", onnx_answer);
    }
    if (i < 0) continue;
    times.onnx.push_back(onnx_micros);
    times.ours.push_back(our_micros);
    times.theirs.push_back(their_micros);
  }
  json::object summary = Summary(std::move(times.ours), "ours");
  for (auto& member : Summary(std::move(times.theirs), "lightgbm_c")) {
    summary[member.key()] = member.value();
  }
  for (auto& member : Summary(std::move(times.onnx), "onnxruntime")) {
    summary[member.key()] = member.value();
  }
  summary["trees"] = iterations;
  return summary;
}

}  // namespace
}  // namespace tercet

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  arrow::Result<tercet::json::object> summary =
      arrow::Status::Invalid("see the top of predict_embedded.cc");
  if (words.size() == 5) {
    try {
      summary = tercet::Compare(words[0], words[1], words[2], std::stoi(words[3]),
                                std::stoll(words[4]));
    } catch (const Ort::Exception& error) {
      summary = arrow::Status::IOError("ONNX Runtime: ", error.what());
    }
  }
  if (!summary.ok()) {
    std::cerr << "predict_embedded: " << summary.status().ToString() << "\n";
    return 1;
  }
  std::cout << tercet::ToText(*summary) << "\n";
  return 0;
}
