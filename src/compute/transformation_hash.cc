#include "compute/category_codes.h"
#include "compute/murmur_hash.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// hash_bucket and hashing_encoder: categories without number, and without fitting (Weinberger et
/// al. 2009). Integers and bools are hashed as the text that they are written as.
namespace tercet {
namespace {

using expr::Binder;
using expr::Instruction;
using expr::Kind;
using expr::Run;
using expr::Value;

constexpr int64_t kMaxBuckets = int64_t{1} << 31;
constexpr int64_t kMaxFeatures = 10'000;

Result<Value> TextOf(Binder& binder, const Value& input) {
  for (const expr::Function& function : expr::CastFunctions()) {
    if (function.name == "string") {
      Value argument = input;
      return function.bind(binder, expr::Node{}, {&argument, 1});
    }
  }
  return Status::UnknownError("there is no function 'string'");
}

int64_t BucketOf(const int64_t& buckets, std::string_view text) {
  return static_cast<int64_t>(static_cast<uint32_t>(MurmurHash32(text))) % buckets;
}

Status CheckBucket(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"buckets"}));
  ARROW_RETURN_NOT_OK(CountOption(options, "buckets", 1024, 2, kMaxBuckets).status());
  return CheckCategorical(kind);
}

Result<std::vector<Value>> BindBucket(Binder& binder, const Value& input,
                                      const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const int64_t buckets,
                        CountOption(options, "buckets", 1024, 2, kMaxBuckets));
  ARROW_ASSIGN_OR_RAISE(const Value text, TextOf(binder, input));
  return std::vector<Value>{
      binder.Emit(expr::MapWith<int64_t, std::string_view, int64_t, BucketOf>, expr::kIntType,
                  {text}, 0, binder.Own(buckets))};
}

struct Hasher {
  int64_t features;
  bool signs;
};

/// The feature's index and sign in one number: index + 1, negative for the sign −1.
int64_t SignedFeature(const Hasher& hasher, std::string_view text) {
  const int32_t hash = MurmurHash32(text);
  const int64_t place = HashedFeature(hash, hasher.features) + 1;
  return hasher.signs && hash < 0 ? -place : place;
}

/// ±1 where the place is `number`, else 0; null for null.
void IsPlace(const Instruction& instruction, Run& run) {
  const int64_t* place = expr::In<int64_t>(instruction, run);
  double* out = expr::Out<double>(instruction, run);
  expr::AndValidity(instruction, run, 1);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = place[i] == instruction.number ? 1 : place[i] == -instruction.number ? -1 : 0;
  }
}

Result<Hasher> HasherOf(const json::object& options) {
  Hasher hasher;
  ARROW_ASSIGN_OR_RAISE(hasher.features, CountOption(options, "n_features", 8, 1, kMaxFeatures));
  ARROW_ASSIGN_OR_RAISE(const auto signs, FindBool(options, "alternate_sign"));
  hasher.signs = signs.value_or(true);
  return hasher;
}

Status CheckHashing(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"n_features", "alternate_sign"}));
  ARROW_RETURN_NOT_OK(HasherOf(options).status());
  return CheckCategorical(kind);
}

Result<std::vector<std::string>> HashingNames(const std::string& column,
                                              const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const Hasher hasher, HasherOf(options));
  std::vector<std::string> names;
  for (int64_t k = 0; k < hasher.features; ++k) names.push_back(column + "_h" + std::to_string(k));
  return names;
}

Result<std::vector<Value>> BindHashing(Binder& binder, const Value& input,
                                       const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const Hasher hasher, HasherOf(options));
  ARROW_ASSIGN_OR_RAISE(const Value text, TextOf(binder, input));
  const Value place =
      binder.Emit(expr::MapWith<Hasher, std::string_view, int64_t, SignedFeature>, expr::kIntType,
                  {text}, 0, binder.Own(hasher));
  std::vector<Value> columns;
  for (int64_t k = 1; k <= hasher.features; ++k) {
    columns.push_back(binder.Emit(IsPlace, expr::kDoubleType, {place}, k));
  }
  return columns;
}

Kind IntAnswer(const json::object&, Kind, size_t) { return Kind::kInt; }

constexpr TransformationKind kKinds[] = {
    {.name = "hash_bucket", .check = CheckBucket, .bind = BindBucket, .answer = IntAnswer},
    {.name = "hashing_encoder",
     .check = CheckHashing,
     .bind = BindHashing,
     .outputs = HashingNames},
};

}  // namespace

std::span<const TransformationKind> HashKinds() { return kKinds; }

}  // namespace tercet
