#pragma once

#include <string>
#include <vector>

#include "client/remote_platform.h"
#include "client/wire.h"

namespace tercet {

/// Paths of the nouns under /api/v1, and the templates that read their answers.

inline std::string PathOf(std::string_view noun, const Ref& ref) {
  return "/api/v1/" + std::string(noun) + "/" + EncodeUrl(ref.name) + "/" +
         std::to_string(ref.version);
}
inline std::string PathOf(std::string_view noun, std::string_view name) {
  return "/api/v1/" + std::string(noun) + "/" + EncodeUrl(name);
}

template <typename Noun>
Result<Noun> RemotePlatform::As(const Result<json::object>& answer) {
  ARROW_RETURN_NOT_OK(answer.status());
  return Noun::FromJson(*answer);
}

template <typename Noun>
Result<std::vector<Noun>> RemotePlatform::AsItems(const Result<json::object>& answer) {
  ARROW_RETURN_NOT_OK(answer.status());
  return ItemsFromJson<Noun>(*answer);
}

}  // namespace tercet
