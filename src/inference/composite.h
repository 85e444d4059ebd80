#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "catalog/model.h"
#include "runtime/predictor.h"

namespace tercet {

/// A model of other registered models, in its file "composite.json":
///
///     {"kind": "chain", "parts": ["embed@2", "fraud@3"]}
///     {"kind": "mean", "parts": ["late@1", "late@2"], "weights": [1, 3]}
///     {"kind": "vote", "parts": ["a@1", "b@1", "c@4"]}
///
/// A chain asks its parts in order; an input of a part is the output of that name of the nearest
/// part before it, else an input of the chain; its outputs are the last part's. A mean gives the
/// weighted mean of each output as a double, null where a part gives null. A vote gives, of each
/// output, the value with the most weight, of equal ones that of the earlier part. Parts are named
/// with their versions, so they are as immutable as any model's files; they can't be dropped while
/// the composite exists. A part may be a composite itself.
struct CompositeDefinition {
  enum class Kind { kChain, kMean, kVote };
  Kind kind = Kind::kChain;
  std::vector<Ref> parts;
  std::vector<double> weights;  ///< of a mean or vote; all 1 when the file has none
  /// Invalid for unknown members, fewer than two parts, a part without a version, or weights that
  /// are not positive or not as many as the parts.
  static Result<CompositeDefinition> Parse(std::string_view text);
};

/// A part as it was loaded.
struct CompositePart {
  Ref model;
  Signature signature;
  std::shared_ptr<Predictor> predictor;
};

/// What the composite takes and gives, by its parts. Invalid where they don't fit together.
Result<Signature> SignatureOf(const CompositeDefinition& definition,
                              const std::vector<CompositePart>& parts);

/// The composite of the loaded parts. Invalid where they don't fit together or the signature.
Result<std::unique_ptr<Predictor>> MakeComposite(const CompositeDefinition& definition,
                                                 std::vector<CompositePart> parts,
                                                 const Signature& signature);

}  // namespace tercet
