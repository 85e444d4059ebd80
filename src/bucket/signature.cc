#include "bucket/signature.h"

#include <algorithm>
#include <array>
#include <ctime>

#include <fmt/format.h>

#include "base/hash.h"

namespace tercet {
namespace {

constexpr size_t kBlock = 64;  // of SHA-256, for HMAC

std::string FromHex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
  }
  return bytes;
}

/// HMAC-SHA-256 (RFC 2104) in hexadecimal.
std::string HmacHex(std::string_view key, std::string_view message) {
  std::string padded(key.size() > kBlock ? FromHex(Sha256Hex(key)) : key);
  padded.resize(kBlock, '\0');
  std::string inner, outer;
  for (const char c : padded) {
    inner += static_cast<char>(c ^ 0x36);
    outer += static_cast<char>(c ^ 0x5c);
  }
  inner += message;
  outer += FromHex(Sha256Hex(inner));
  return Sha256Hex(outer);
}

std::string Hmac(std::string_view key, std::string_view message) {
  return FromHex(HmacHex(key, message));
}

/// A header's value without space at its ends and with single spaces within.
std::string Squeezed(std::string_view text) {
  std::string value;
  for (const char c : text) {
    if (c != ' ' || (!value.empty() && value.back() != ' ')) value += c;
  }
  while (value.ends_with(' ')) value.pop_back();
  return value;
}

}  // namespace

std::string PercentEncode(std::string_view text, bool keep_slash) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || (c == '/' && keep_slash);
    if (plain) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

std::string QueryText(const TextPairs& query) {
  TextPairs encoded;
  for (const auto& [name, value] : query) {
    encoded.emplace_back(PercentEncode(name, false), PercentEncode(value, false));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded) {
    text += (text.empty() ? "?" : "&") + name + "=" + value;
  }
  return text;
}

std::string SigningTime(int64_t time_us) {
  const std::time_t seconds = time_us / 1'000'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  const size_t size = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc);
  return std::string(text.data(), size);
}

std::string SignatureV4(const RequestToSign& request, const S3Credentials& credentials,
                        std::string_view region, std::string_view service, std::string_view time) {
  TextPairs headers = request.headers;
  std::sort(headers.begin(), headers.end());
  std::string header_lines, signed_names;
  for (const auto& [name, value] : headers) {
    header_lines += name + ":" + Squeezed(value) + "\n";
    signed_names += (signed_names.empty() ? "" : ";") + name;
  }
  const std::string query = QueryText(request.query);
  const std::string canonical = fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}", request.method, PercentEncode(request.path, /*keep_slash=*/true),
      query.empty() ? "" : query.substr(1), header_lines, signed_names, request.payload_sha256);

  const std::string_view date = time.substr(0, 8);
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", date, region, service);
  const std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, scope, Sha256Hex(canonical));
  std::string key = Hmac("AWS4" + credentials.secret_access_key, date);
  for (const std::string_view part : {region, service, std::string_view("aws4_request")}) {
    key = Hmac(key, part);
  }
  return fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                     credentials.access_key_id, scope, signed_names, HmacHex(key, to_sign));
}

void AddSignatureV4(const RequestToSign& request, const S3Credentials& credentials,
                    std::string_view region, std::string_view service, int64_t time_us,
                    TextPairs* headers) {
  const std::string time = SigningTime(time_us);
  headers->emplace_back("x-amz-date", time);
  if (!credentials.session_token.empty()) {
    headers->emplace_back("x-amz-security-token", credentials.session_token);
  }
  headers->emplace_back("authorization",
                        SignatureV4(request, credentials, region, service, time));
}

}  // namespace tercet
