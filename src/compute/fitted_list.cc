#include "compute/transformation.h"

#include "base/short_text.h"

namespace tercet {

Result<std::vector<FittedTransformation>> FittedFromJson(const json::array& array) {
  std::vector<FittedTransformation> fitted;
  fitted.reserve(array.size());
  for (const json::value& item : array) {
    const json::object* object = item.if_object();
    if (object == nullptr) {
      return Status::Invalid("a fitted transformation must be an object, not ",
                             ShortText(ToText(item)));
    }
    ARROW_ASSIGN_OR_RAISE(FittedTransformation one, FittedTransformation::FromJson(*object));
    fitted.push_back(std::move(one));
  }
  return fitted;
}

}  // namespace tercet
