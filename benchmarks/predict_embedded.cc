// The compiled half of `./dev bench predict_embedded`: one row of a LightGBM model of many trees,
// by our evaluator and by LightGBM's C interface, which is loaded from its Python package.
//
//     predict_embedded MODEL_FOLDER LIB_LIGHTGBM ROWS COLUMNS COUNT
//         ROWS: a file of row-major doubles
//
// Prints one JSON object.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <vector>

#include <arrow/api.h>

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

struct Times {
  std::vector<double> ours, theirs;
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

Result<std::shared_ptr<arrow::RecordBatch>> RowOf(const std::shared_ptr<arrow::Schema>& schema,
                                                  const double* row) {
  arrow::ArrayVector columns;
  for (int c = 0; c < schema->num_fields(); ++c) {
    arrow::DoubleBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Append(row[c]));
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder.Finish());
  }
  return arrow::RecordBatch::Make(schema, 1, std::move(columns));
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
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (int64_t r = 0; r < row_count; ++r) {
    ARROW_ASSIGN_OR_RAISE(batches.emplace_back(),
                          RowOf(signature.inputs, rows.data() + r * columns));
  }

  Times times;
  for (int64_t i = -count / 5; i < count; ++i) {  // A fifth more to warm up.
    const int64_t r = (i + count) % row_count;
    // In turns, so that both meet the same machine.
    const auto begun = Clock::now();
    ARROW_ASSIGN_OR_RAISE(const auto ours, predictor->Predict(*batches[r]));
    const double our_micros = MicrosSince(begun);
    double theirs = 0;
    int64_t length = 0;
    const auto their_begin = Clock::now();
    const int failed = api.predict(fast, rows.data() + r * columns, &length, &theirs);
    const double their_micros = MicrosSince(their_begin);
    if (failed != 0 || length != 1) return Status::IOError("LightGBM: ", api.last_error());
    const double answer = static_cast<const arrow::DoubleArray&>(*ours->column(0)).Value(0);
    if (answer != theirs) return Status::UnknownError("row ", r, ": ", answer, " and ", theirs);
    if (i < 0) continue;
    times.ours.push_back(our_micros);
    times.theirs.push_back(their_micros);
  }
  json::object summary = Summary(std::move(times.ours), "ours");
  for (auto& member : Summary(std::move(times.theirs), "lightgbm_c")) {
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
    summary = tercet::Compare(words[0], words[1], words[2], std::stoi(words[3]),
                              std::stoll(words[4]));
  }
  if (!summary.ok()) {
    std::cerr << "predict_embedded: " << summary.status().ToString() << "\n";
    return 1;
  }
  std::cout << tercet::ToText(*summary) << "\n";
  return 0;
}
